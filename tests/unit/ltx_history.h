/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_history -- random histories of a database in LTX, in the store in memory,
 * of which the image of each state is known; and damage to one of the files.
 */
#ifndef LSPP_TESTS_UNIT_LTX_HISTORY_H
#define LSPP_TESTS_UNIT_LTX_HISTORY_H

#include "lib/replica/ltx/ltx_names.h"
#include "tests/unit/draw_kit.h"
#include "tests/unit/ltx_kit.h"
#include "tests/unit/mem_store.h"
#include "tests/unit/tap.h"

enum { STATES = 12, PAGES = 14 };

#define T0 INT64_C(1700000000000) /* ms, of state 0 */

/* The history: state t has pages[t] pages, and image[t]; which of them its
 * transaction wrote. */
static uint32_t states, pages[STATES + 1];
static uint8_t image[STATES + 1][PAGES + 1][MEM_PAGE];
static bool wrote[STATES + 1][PAGES + 1];

LTX_FN void
make_state(uint32_t t)
{
	memcpy(image[t], image[t - 1], sizeof(image[t]));
	memset(wrote[t], 0, sizeof(wrote[t]));
	pages[t] = t > 1 && draw(3) > 0 ? pages[t - 1] : 1 + draw(PAGES);
	for (uint32_t i = 1; i <= pages[t]; i++) {
		if (i > 1 && i <= pages[t - 1] && draw(4) > 0)
			continue;
		wrote[t][i] = true;
		if (i == 1 || draw(4) > 0)
			mem_page(image[t][i], i, pages[t], (uint8_t)draw(256));
	}
}

LTX_FN uint64_t
sum_of(uint32_t t)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i <= pages[t]; i++)
		sum ^= ltx_page_sum(i, image[t][i], MEM_PAGE);
	return sum | LTX_SUM_FLAG;
}

LTX_FN bool
is_written(uint32_t page, uint64_t from, uint64_t to)
{
	for (uint64_t t = from; t <= to; t++)
		if (wrote[t][page])
			return true;
	return false;
}

LTX_FN void
put_file(const struct ltx_name *n, enum ltx_levels how, bool summed)
{
	struct ltx_made m = { 0 };
	struct buf key = { 0 };
	int64_t late = n->level == LTX_SNAPSHOTS ? draw(900) : 0;

	ltx_make(&m, summed ? 0 : LTX_NO_SUMS, MEM_PAGE, pages[n->max], n->min,
	    n->max, T0 + 1000 * (int64_t)n->max + late);
	if (summed && n->min > 1)
		be64_put(m.out.data + 40, sum_of((uint32_t)n->min - 1));
	for (uint32_t i = 1; i <= pages[n->max]; i++) {
		if (n->min > 1 && !is_written(i, n->min, n->max))
			continue;
		if (draw(8) == 0)
			ltx_page_frame(&m, i, image[n->max][i], MEM_PAGE);
		else
			ltx_page(&m, i, image[n->max][i]);
	}
	ltx_end(&m, summed ? sum_of((uint32_t)n->max) : 0);
	ltx_key(&key, "a", how, n);
	if (mem_find(buf_str(&key)) == NULL)
		mem_put(buf_str(&key), m.out.data, m.out.len, 1);
	buf_release(&key);
	ltx_made_release(&m);
}

/* As a daemon leaves it, more or less. */
LTX_FN void
make_history(void)
{
	enum ltx_levels how = draw(2) ? LTX_LEVELS_DIR : LTX_LEVELS_FLAT;
	unsigned sums = draw(3); /* none have them, some, or all */
	unsigned keep = draw(3);
	struct ltx_name n;

	mem_clear();
	states = 2 + draw(STATES - 1);
	pages[0] = 0;
	for (uint32_t t = 1; t <= states; t++)
		make_state(t);
	for (uint32_t t = 1; t <= states; t++) {
		n = (struct ltx_name){ 0, t, t };
		if (keep == 0 || t == states || draw(keep + 1) > 0)
			put_file(&n, how, sums == 2 || (sums && draw(2)));
	}
	for (unsigned i = draw(6); i > 0; i--) {
		n.level = 1 + draw(8);
		n.min = 1 + draw(states);
		n.max = n.min + draw(states + 1 - (unsigned)n.min);
		put_file(&n, how, sums == 2 || (sums && draw(2)));
	}
	for (unsigned i = draw(3); i > 0; i--) {
		n = (struct ltx_name){ LTX_SNAPSHOTS, 1, 1 + draw(states) };
		put_file(&n, how, sums == 2 || (sums && draw(2)));
	}
}

/* One thing is done to one of the files. */
LTX_FN void
damage(void)
{
	struct mem_object *o = &mem[draw((unsigned)mem_n)];
	struct mem_object *other = &mem[draw((unsigned)mem_n)];
	size_t at = draw((unsigned)o->data.len);
	struct buf copy = { 0 };

	switch (draw(7)) {
	case 0: o->data.data[at] ^= (uint8_t)(1 << draw(8)); break;
	case 1: o->data.len = at; break;
	case 2: buf_add(&o->data, "x", 1); break;
	case 3: o->data.len = 0; break;
	case 4: memset(o->data.data + at, 0, o->data.len - at); break;
	case 5:
		buf_add(&copy, other->data.data, other->data.len);
		buf_release(&o->data);
		o->data = copy;
		break;
	default: mem_remove(o->key);
	}
}

#endif
