/* SPDX-License-Identifier: MIT */
/*
 * A task of recall on real text, for attention alone, by one or more heads: a document of words, then quotations from it, and at each
 * word of a quotation the question what comes next. Who finds where in the document the quotation is can answer, others can't.
 *
 *	words	runs of letters, digits and apostrophes; each other character but blanks by itself
 *	c_w	a head's code of word w: D numbers of +-1/sqrt(D) drawn by its bytes, so that words that were never seen have one as well
 *	k_t	sum over j = 0..CONTEXT-1 of decay^j turn_j(c of word t-1-j): what came before t; turn_j is a shift by j D/CONTEXT
 *	v_t	c of word t
 *	q_t	k_{t+1}
 *
 * which is what induction heads have (Olsson et al. 2022, "In-context learning and induction heads"). The word that results
 * say is the one whose codes have the largest sum of products with them. Keys and values are rounded to 16-bit floats, as caches are.
 */
#ifndef DSEEK_RECALL_H
#define DSEEK_RECALL_H

#include <stddef.h>
#include <stdint.h>

#define RECALL_BLOCK	64	/* words of a quotation; a block of keys */
#define RECALL_CONTEXT	8
#define RECALL_MAX_D	256

struct recall_params {
	uint32_t d;		/* a multiple of RECALL_CONTEXT, to RECALL_MAX_D */
	uint32_t document;	/* words, whole blocks; fewer if the text is shorter */
	uint32_t quotations;
	uint64_t seed;		/* of where the document begins and what is quoted */
	uint32_t head;		/* whose codes; all heads have the same words */
	uint32_t known;		/* words that the text has less often get a code by the seed as well: nobody can learn them by heart; 0: none */
};

struct recall {
	uint32_t d, document, n;	/* n: words of document and quotations */
	uint32_t vocabulary;
	uint32_t *words;		/* [n] */
	float *codes;			/* [vocabulary][d] */
	float *k, *v;			/* [n][d] */
	float *q;			/* [n - document][d]: of the quotations' words */
	uint8_t *asked;			/* [n - document]: CONTEXT words of the quotation are there, and so is the next */
};

#define RECALL_SCALE	32.0f	/* of the product of q and k */

/* -EINVAL: @params, or a text of less than two blocks; -ENOMEM. What was made goes by recall_fini(). */
int recall_init(struct recall *r, const char *text, size_t size, const struct recall_params *params);
void recall_fini(struct recall *r);

uint32_t recall_answer(const struct recall *heads, uint32_t n, const float *results);	/* the word that the heads' results, [n][d], say */

/*
 * Attention of quotation word @i (from 0) over what is up to it, with weights in double precision: the definition. @selected: of the blocks up to
 * its own those that are seen, NULL: all. @ret_mass (may be NULL): what each block gets of the weights.
 */
void recall_attend(const struct recall *r, uint32_t i, const uint8_t *selected, double *ret_mass, float *ret_out);

#endif /* DSEEK_RECALL_H */
