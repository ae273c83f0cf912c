/*
 * texts.h: the payload of REQUEST_TEXTS, sequences of token ids and what is wanted of each.
 *
 * Written by the backend before it submits, read by the engine, which writes the results.  All items of a
 * request want the same kind of result.  Behind the header lie, in this order: items, ids, type_ids, shape_ids
 * and pronunciation_ids (where has_shapes), rows, targets, and 64-byte aligned the results.
 */
#ifndef PG_TEXTS_H
#define PG_TEXTS_H

#include "pg/pg_infer.h"

#include "task/runner.h"

/* One sequence; the items' tokens, rows, targets and results lie one behind the other. */
typedef struct TextsItem
{
	int32 token, n_tokens; /* its first, of all, and how many */
	int32 n_padding;
	int32 row, n_rows;
	int32 target, n_targets; /* RUN_TOP: so many are wanted, and none listed */
	int64 result;			 /* its first number */
} TextsItem;

typedef struct TextsPayload
{
	int32 n_items, n_tokens, n_rows, n_targets;
	int64 n_results;
	bool  has_shapes;
	int32 result; /* RunResult */

	/* RUN_VECTOR */
	int32 pooling; /* Pooling */
	int32 dimensions;
	bool  normalize;
} TextsPayload;

/* Bytes of a payload with the counts of a header. */
extern Size texts_size(const TextsPayload *header);

extern TextsItem *texts_items(const TextsPayload *payload);
extern int32	 *texts_ids(const TextsPayload *payload);
extern int32	 *texts_type_ids(const TextsPayload *payload);
extern int32	 *texts_shape_ids(const TextsPayload *payload); /* NULL without */
extern int32	 *texts_pronunciation_ids(const TextsPayload *payload);
extern int32	 *texts_rows(const TextsPayload *payload);
extern int32	 *texts_targets(const TextsPayload *payload);
extern float4	 *texts_results(const TextsPayload *payload);

/* Item i as a runner takes it. */
extern RunItem texts_run_item(const TextsPayload *payload, int i);

/* Whether what a backend wrote is something that the model can compute. */
extern bool texts_check(const TextsPayload *payload, const Model *model, Error *error);

/* Tokens from item i on. */
extern int texts_tokens_from(const TextsPayload *payload, int i);

#endif
