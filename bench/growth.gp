# SPDX-License-Identifier: Apache-2.0
# Time against the number of databases, as SVG: what `make bench-growth` draws of
# its figures.  data: columns what, databases, seconds, MB.
set terminal svg size 640,400 font "sans-serif,12" background "white"
set datafile separator "\t"
set logscale xy
set xlabel "databases"
set ylabel "seconds"
set xtics ("1,000" 1000, "10,000" 10000, "100,000" 100000, "1,000,000" 1000000)
set grid
set key top left
of(what) = sprintf("< grep '^%s\t' '%s'", what, data)
plot of("ship") using 2:3 with linespoints pt 7 title "lspp-ship, all new", \
    of("restore") using 2:3 with linespoints pt 5 title "lspp-restore", \
    of("verify") using 2:3 with linespoints pt 9 title "lspp-verify", \
    of("prune") using 2:3 with linespoints pt 11 title "lspp-prune", \
    of("pass") using 2:3 with linespoints pt 13 lw 2 title "a pass, nothing changed"
