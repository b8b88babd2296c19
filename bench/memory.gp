# SPDX-License-Identifier: Apache-2.0
# Memory against the number of databases, as SVG: what `make bench-large`
# draws of its figures.  data: columns who, databases, MB, percent of a core.
set terminal svg size 640,400 font "sans-serif,12" background "white"
set datafile separator "\t"
set logscale xy
set xlabel "databases"
set ylabel "peak memory, MB"
set xrange [70:150000]
set yrange [5:3000]
set xtics ("100" 100, "1,000" 1000, "10,000" 10000, "100,000" 100000)
set ytics (10, 30, 100, 300, "1,000" 1000, "3,000" 3000)
set grid
set key top right
of(who) = sprintf("< grep '^%s\t' '%s'", who, data)
plot of("litestream-05") using 2:3 with linespoints pt 7 lc rgb "#c44e52" \
	title "litestream 0.5.18", \
    of("litestream-03") using 2:3 with linespoints pt 5 lc rgb "#dd8452" \
	title "litestream 0.3.13", \
    of("lspp") using 2:3 with linespoints pt 9 lw 2 lc rgb "#4c72b0" \
	title "lspp-scan, -hot and -ship together"
