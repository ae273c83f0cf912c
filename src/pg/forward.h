/*
 * forward.h: the payload of REQUEST_FORWARD.
 *
 * Written by the backend before it submits, read by the engine, which writes the outputs' arrays and loss.
 */
#ifndef PG_FORWARD_H
#define PG_FORWARD_H

#include "pg/pg_infer.h"

#include "task/forward.h"

/* What inputs and outputs point at follows in the same payload. */
typedef struct ForwardPayload
{
	ForwardInputs  inputs;
	ForwardOutputs outputs;
} ForwardPayload;

/* How many sequences and tokens a call has; one that has no batch dimension is one. */
extern void forward_payload_count(const ForwardPayload *payload, int32 *n_items, int32 *n_tokens);

#endif
