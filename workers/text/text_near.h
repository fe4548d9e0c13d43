/* SPDX-License-Identifier: Apache-2.0 */
/* Near-duplicates: pages whose main text is nearly that of another page of this run. A page's text
 * becomes 64 bits (simhash, Charikar 2002, over groups of three words); texts that differ little
 * differ in few of them. TEXT_NEAR_DISTANCE: a text with one word in 300 changed differs in 2.9
 * bits on average (64 x the angle / pi), and no two of the 526 pages of python3-doc in less
 * than 11. */
#ifndef TEXT_NEAR_H
#define TEXT_NEAR_H

#include "text_buffer.h"

#include <stdint.h>

#define TEXT_NEAR_DISTANCE 6
#define TEXT_NEAR_MIN_WORDS 20u      /* shorter texts are alike by chance */
#define TEXT_NEAR_MAX_PAGES 1000000u /* remembered; more are looked up, not added */
#define TEXT_NEAR_MAX_URL_BYTES (64u << 20)

/** False when the text is too short to tell. */
bool text_simhash(struct text_slice text, uint64_t *out);

/* The pages seen since the module was opened. */
struct text_near;
struct text_near *text_near_create(void);
void text_near_destroy(struct text_near **near);
/**
 * Look for another page within TEXT_NEAR_DISTANCE; if there is none remember this one, in one step:
 * of two alike pages exactly one is the first.
 *
 * Thread: [any]; takes the index's lock for the time of the look-up.
 * Owns:   the other page's address is appended to `other`.
 * True when there is one.
 */
bool text_near_find_or_add(struct text_near *near, uint64_t hash, struct text_slice url,
                           struct text_buffer *other);

#endif
