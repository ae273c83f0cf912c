/*
 * forward.c: one call of a model, planned and computed.
 *
 * Planning and computing read the arguments the same way (task/call.h).  A run's memory is a Layout in
 * the workspace: what the batch needs beside the arguments themselves, and behind it the family's own.
 */
#include "task/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/block.h"
#include "task/call.h"
#include "task/loss.h"

#define CONTRAST_SCALE 100.0
#define OUTPUT_MAX_BYTES (((size_t) 1 << 30) - 4096) /* what one SQL value can hold */

/* ---- planning: the outputs ---- */

static bool
plan_array(OutputArray *array, const char *name, int rank, const int *dims, Error *error)
{
	size_t n = 1;

	*array = (OutputArray){.rank = rank};
	for (int i = 0; i < rank; i++)
	{
		array->dims[i] = dims[i];
		if (__builtin_mul_overflow(n, (size_t) dims[i], &n) || n > OUTPUT_MAX_BYTES / sizeof(float))
			return error_set(error, ERR_LIMIT, "%s would have more than %zu numbers", name,
							 OUTPUT_MAX_BYTES / sizeof(float));
	}
	array->n = n;
	return true;
}

/* attentions or cross_attentions: (layers, batch, ...) */
static bool
plan_attentions(const Call *call, OutputArray *array, const char *name, bool cross, Error *error)
{
	const Model *model = call->model;
	int			 keys = cross ? call->source : call->keys, n = 3;
	int dims[FORWARD_MAX_RANK] = {model->n_layers, call->n_seqs, model->n_heads, call->length,
								  keys};

	if (model->family->attention_dims != NULL)
		n = model->family->attention_dims(model, call->length, keys, cross, dims + 2);
	return plan_array(array, name, n + 2, dims, error);
}

static bool
plan_logits(const Call *call, ForwardOutputs *outputs, Error *error)
{
	const Model *model = call->model;
	int			 n = head_outputs(model), pair[2] = {call->n_seqs, 2};
	int			 tokens[3] = {call->n_seqs, call->length, n}, sequences[2] = {call->n_seqs, n};
	int			 choices[2] = {call->batch, call->choices};

	switch (model->head)
	{
		case HEAD_BASE:
			return true;
		case HEAD_QUESTION_ANSWERING:
			return plan_array(&outputs->start_logits, "start_logits", 2, tokens, error) &&
				   plan_array(&outputs->end_logits, "end_logits", 2, tokens, error);
		case HEAD_MULTIPLE_CHOICE:
			return plan_array(&outputs->logits, "logits", 2, choices, error);
		default:
			if (model->has_pair_logits && !plan_array(&outputs->seq_relationship_logits,
													  "seq_relationship_logits", 2, pair, error))
				return false;
			return head_is_by_token(model->head)
					   ? plan_array(&outputs->logits, "logits", 3, tokens, error)
					   : plan_array(&outputs->logits, "logits", 2, sequences, error);
	}
}

/* A base model's, and where hidden_states lack the last one, which has another width. */
static bool
returns_last(const Call *call)
{
	return call->model->head == HEAD_BASE ||
		   (call->hidden_states && call->model->hidden_size != call->model->layer_size);
}

static bool
plan_outputs(const Call *call, ForwardOutputs *outputs, Error *error)
{
	const Model *model = call->model;
	int			 last[3] = {call->n_seqs, call->length, model->hidden_size};
	int			 pooled[2] = {call->n_seqs, model->hidden_size};
	int all[4] = {model_hidden_states(model), call->n_seqs, call->length, model->layer_size};

	*outputs = (ForwardOutputs){.has_loss = call->loss != LOSS_NONE};
	if (!plan_logits(call, outputs, error))
		return false;
	if (returns_last(call) &&
		!plan_array(&outputs->last_hidden_state, "last_hidden_state", 3, last, error))
		return false;
	if (model->head == HEAD_BASE && model->has_pooler &&
		!plan_array(&outputs->pooler_output, "pooler_output", 2, pooled, error))
		return false;
	if (call->hidden_states && !plan_array(&outputs->hidden_states, "hidden_states", 4, all, error))
		return false;
	if (call->attentions &&
		(!plan_attentions(call, &outputs->attentions, "attentions", false, error) ||
		 (call->source > 0 && model->head != HEAD_MASKED_LM && /* whose class keeps them */
		  !plan_attentions(call, &outputs->cross_attentions, "cross_attentions", true, error))))
		return false;
	if (!call->returns_past)
		return true;
	outputs->past_size = past_size(model, call->n_seqs, call->keys, call->source);
	if (outputs->past_size == 0 || outputs->past_size > OUTPUT_MAX_BYTES)
		return error_set(error, ERR_LIMIT, "past would have more than %zu bytes", OUTPUT_MAX_BYTES);
	return true;
}

/* ---- a run's memory ---- */

typedef struct Layout
{
	int32_t *offsets;	 /* (n_seqs + 1) */
	Cache	*caches;	 /* (n_seqs), with caches */
	int32_t *positions;	 /* (n_tokens), when one row for all sequences is given */
	float	*head_mask;	 /* (n_layers, n_heads), when one for all layers is given */
	int32_t *labels;	 /* (n_labels) class indices */
	double	*losses;	 /* (n_labels) */
	float	*spans;		 /* (n_tokens, 2): logits of a question answering */
	int32_t *target_ids; /* (n_tokens) RoCBert's labels without ignored ones */
	float	*pooled;	 /* (1 + CONTRASTS, n_seqs, hidden) with those it compares */
	float	*similar;	 /* (n_seqs, n_seqs) */
	uint8_t *past;		 /* caches that are not returned */
	size_t	 past_size;
	size_t	 used; /* bytes, and where the family's workspace begins */
} Layout;

/* Class indices that a call's loss compares at once. */
static size_t
label_count(const Call *call)
{
	switch (call->loss)
	{
		case LOSS_CLASSES:
			return head_is_by_token(call->model->head) ? (size_t) call->n_tokens
													   : (size_t) call->n_seqs;
		case LOSS_NEXT_TOKENS:
		case LOSS_PRE_TRAINING:
		case LOSS_TOKENS:
		case LOSS_CONTRAST:
			return (size_t) call->n_tokens;
		case LOSS_SPANS:
			return (size_t) call->n_seqs;
		default:
			return 0;
	}
}

static Layout
lay_out(const Call *call, char *base)
{
	const Model *model = call->model;
	Carver		 carver = {.base = base};
	size_t		 n_labels = label_count(call), n_seqs = (size_t) call->n_seqs;
	Layout		 layout = {.offsets = carve(&carver, (size_t) call->n_seqs + 1, sizeof(int32_t))};

	if (call->cached)
		layout.caches = carve(&carver, (size_t) call->n_seqs, sizeof(Cache));
	if (call->shared_positions)
		layout.positions = carve(&carver, (size_t) call->n_tokens, sizeof(int32_t));
	if (call->inputs->head_mask.rank == 1)
		layout.head_mask =
			carve(&carver, (size_t) model->n_layers * (size_t) model->n_heads, sizeof(float));
	if (n_labels > 0)
	{
		layout.labels = carve(&carver, n_labels, sizeof(int32_t));
		layout.losses = carve(&carver, n_labels, sizeof(double));
	}
	if (model->head == HEAD_QUESTION_ANSWERING)
		layout.spans = carve(&carver, (size_t) call->n_tokens * 2, sizeof(float));
	if (call->loss == LOSS_CONTRAST)
	{
		layout.target_ids = carve(&carver, (size_t) call->n_tokens, sizeof(int32_t));
		layout.pooled =
			carve(&carver, (1 + CONTRASTS) * n_seqs * (size_t) model->hidden_size, sizeof(float));
		layout.similar = carve(&carver, n_seqs * n_seqs, sizeof(float));
	}
	if (call->cached && !call->returns_past)
	{
		layout.past_size = past_size(model, call->n_seqs, call->keys, call->source);
		layout.past = carve(&carver, layout.past_size, 1);
	}
	layout.used = carver.used;
	return layout;
}

/* The batch of a call, without what it writes. */
static Batch
make_batch(const Call *call, const Layout *layout)
{
	const ForwardInputs *in = call->inputs;
	const int32_t *positions = call->shared_positions ? layout->positions : in->position_ids.data;

	return (Batch){.n_seqs = call->n_seqs,
				   .n_tokens = call->n_tokens,
				   .offsets = layout->offsets,
				   .input_ids = in->input_ids.data,
				   .token_type_ids = in->token_type_ids.data,
				   .position_ids = call->model->ignores_positions ? NULL : positions,
				   .pooler = call->model->has_pooler && (call->model->head == HEAD_BASE ||
														 call->model->head == HEAD_PRE_TRAINING),
				   .inputs_embeds = in->inputs_embeds.data,
				   .shape_ids = in->input_shape_ids.data,
				   .pronunciation_ids = in->input_pronunciation_ids.data,
				   .attention_mask = in->attention_mask.data,
				   .mask_rows = call->mask_rows,
				   .head_mask = in->head_mask.rank == 1 ? layout->head_mask : in->head_mask.data,
				   .source = call->source,
				   .encoder_states = call->source > 0 ? in->encoder_hidden_states.data : NULL,
				   .encoder_mask = call->source > 0 ? in->encoder_attention_mask.data : NULL,
				   .encoder_mask_rows = call->encoder_mask_rows,
				   .caches = layout->caches,
				   .max_keys = call->keys};
}

static void
fill_offsets(const Call *call, int32_t *offsets)
{
	for (int i = 0; i <= call->n_seqs; i++)
		offsets[i] = i * call->length;
}

static void
repeat_positions(const Call *call, int32_t *positions)
{
	for (int i = 0; call->shared_positions && i < call->n_tokens; i++)
		positions[i] = call->inputs->position_ids.data[i % call->length];
}

/* What reading a call leaves to model_check. */
static bool
check_values(const Call *call, Error *error)
{
	Layout sizes = lay_out(call, NULL), layout;
	char  *base = malloc(sizes.used);
	Batch  batch;
	bool   ok;

	if (base == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for checking %d tokens", call->n_tokens);
	layout = lay_out(call, base);
	fill_offsets(call, layout.offsets);
	repeat_positions(call, layout.positions);
	for (int i = 0; call->cached && i < call->n_seqs; i++)
		layout.caches[i] = (Cache){.capacity = call->keys, .length = call->past.length};
	batch = make_batch(call, &layout);
	ok = model_check(call->model, &batch, error);
	free(base);
	return ok;
}

/* labels_input_ids as a text: what is ignored becomes padding. */
static void
fill_targets(const Call *call, int32_t *target_ids)
{
	const int32_t *labels = call->inputs->labels_input_ids.data;

	for (int i = 0; i < call->n_tokens; i++)
		target_ids[i] = labels[i] != LABEL_IGNORED ? labels[i] : call->model->pad_token_id;
}

/* Reads and checks the texts that a contrastive loss compares. */
static bool
check_contrasts(const Call *call, Error *error)
{
	int32_t *target_ids;
	bool	 ok = true;

	if (call->loss != LOSS_CONTRAST)
		return true;
	target_ids = malloc((size_t) call->n_tokens * sizeof *target_ids);
	if (target_ids == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for checking %d tokens", call->n_tokens);
	fill_targets(call, target_ids);
	for (Contrast which = 0; ok && which < CONTRASTS; which++)
	{
		ForwardInputs inputs = contrast_inputs(call->inputs, which, target_ids);
		Call		  contrast;

		ok =
			contrast_read(&contrast, call, which, &inputs, error) && check_values(&contrast, error);
	}
	free(target_ids);
	return ok;
}

bool
forward_plan(const Model *model, const ForwardInputs *inputs, ForwardOutputs *outputs, Error *error)
{
	Call call;

	return call_read(&call, model, inputs, error) && check_values(&call, error) &&
		   check_contrasts(&call, error) && plan_outputs(&call, outputs, error);
}

/* ---- computing ---- */

/* Pointers that stand for those of a run, where only sizes are asked for. */
static void
stand_in(const Call *call, const ForwardOutputs *outputs, Batch *batch)
{
	static float any;
	static Cache any_cache;

	if (call->cached)
		batch->caches = &any_cache;
	if (call->inputs->head_mask.data != NULL)
		batch->head_mask = &any;
	if (outputs->logits.n > 0 || outputs->start_logits.n > 0)
		batch->logits = &any;
	if (outputs->seq_relationship_logits.n > 0)
		batch->pair_logits = &any;
	if (outputs->hidden_states.n > 0)
		batch->hidden_states = &any;
	if (outputs->attentions.n > 0)
		batch->attentions = &any;
	if (outputs->cross_attentions.n > 0)
		batch->cross_attentions = &any;
}

/* Bytes of a run: its layout and the family's workspace, or behind the layout those of the texts it
 * compares; 0 when that overflows. */
static size_t
run_size(const Call *call, const ForwardOutputs *outputs, int threads)
{
	const Family *family = call->model->family;
	Layout		  layout = lay_out(call, NULL);
	Batch		  batch = make_batch(call, &layout);
	size_t		  most, size;

	stand_in(call, outputs, &batch);
	most = family->workspace(call->model, &batch, threads);
	for (Contrast which = 0; call->loss == LOSS_CONTRAST && which < CONTRASTS; which++)
	{
		ForwardInputs  inputs = contrast_inputs(call->inputs, which, call->inputs->input_ids.data);
		ForwardOutputs none = {.past_size = 0};
		Call		   contrast;
		Error		   error;

		if (!contrast_read(&contrast, call, which, &inputs, &error))
			return 0;
		size = run_size(&contrast, &none, threads);
		most = size > most ? size : most;
	}
	return __builtin_add_overflow(layout.used, most, &size) ? 0 : size;
}

size_t
forward_workspace(const Model *model, const ForwardInputs *inputs, int threads)
{
	ForwardOutputs outputs;
	Call		   call;
	Error		   error;

	if (!call_read(&call, model, inputs, &error) || !plan_outputs(&call, &outputs, &error))
		return 0;
	return run_size(&call, &outputs, threads);
}

/* Where an output goes that a plan sized; NULL: it is none of this call's. */
static float *
destination(const OutputArray *array)
{
	return array->n > 0 ? array->data : NULL;
}

/* Where a run's batch writes. */
static void
add_outputs(const Layout *layout, const ForwardOutputs *outputs, Batch *batch)
{
	batch->logits = destination(&outputs->logits);
	if (outputs->start_logits.n > 0)
		batch->logits = layout->spans;
	batch->pair_logits = destination(&outputs->seq_relationship_logits);
	batch->hidden_states = destination(&outputs->hidden_states);
	batch->attentions = destination(&outputs->attentions);
	batch->cross_attentions = destination(&outputs->cross_attentions);
}

/* Puts the caches where they are to be: into the result, or the workspace. */
static void
begin_caches(const Call *call, const Layout *layout, ForwardOutputs *outputs)
{
	uint8_t *past = call->returns_past ? outputs->past : layout->past;
	size_t	 size = call->returns_past ? outputs->past_size : layout->past_size;

	if (!call->cached)
		return;
	memset(past, 0, size);
	past_caches(call->model, past, call->n_seqs, call->keys, call->source, layout->caches);
	for (int i = 0; call->past.length > 0 && i < call->n_seqs; i++)
		past_copy(call->model, &call->past, i, &layout->caches[i]);
}

static void
repeat_head_mask(const Call *call, float *head_mask)
{
	const FloatArray *given = &call->inputs->head_mask;
	int				  n = call->model->n_heads;

	for (int i = 0; given->rank == 1 && i < call->model->n_layers; i++)
		memcpy(head_mask + (long) i * n, given->data, (size_t) n * sizeof(float));
}

static void
copy_rows(const float *x, long ld, OutputArray *out)
{
	int n = out->rank > 0 ? out->dims[out->rank - 1] : 1, rows = (int) (out->n / (size_t) n);

	for (int i = 0; out->rank > 0 && i < rows; i++)
		memcpy(out->data + (long) i * n, x + i * ld, (size_t) n * sizeof(float));
}

/* The columns of (n_tokens, 2) apart. */
static void
split_spans(const Call *call, const float *spans, ForwardOutputs *outputs)
{
	for (long i = 0; spans != NULL && i < call->n_tokens; i++)
	{
		outputs->start_logits.data[i] = spans[2 * i];
		outputs->end_logits.data[i] = spans[2 * i + 1];
	}
}

/* ---- losses ---- */

static void
class_labels(const DoubleArray *given, size_t n, int32_t *labels)
{
	for (size_t i = 0; i < n; i++)
		labels[i] = (int32_t) given->data[i];
}

static void
copy_labels(const IntArray *given, size_t n, int32_t *labels)
{
	memcpy(labels, given->data, n * sizeof *labels);
}

/* The cross-entropy of rows of `width` logits, n of them. */
static double
mean_loss(const Layout *layout, const float *logits, int width, int n, const Crew *crew)
{
	Classes classes = {.logits = logits,
					   .ld = width,
					   .step = 1,
					   .n_rows = n,
					   .n_classes = width,
					   .labels = layout->labels,
					   .losses = layout->losses};

	return loss_classes(&classes, crew);
}

/* Each row's label becomes that of the next; the last of a sequence has none. */
static void
shift_labels(const Call *call, int32_t *labels)
{
	for (int i = 0; i < call->n_tokens; i++)
		labels[i] = (i + 1) % call->length != 0 ? labels[i + 1] : LABEL_IGNORED;
}

/* The pair's label against rows of two logits. */
static double
pair_loss(const Call *call, const Layout *layout, const float *logits, const Crew *crew)
{
	copy_labels(call->pair_labels, (size_t) call->n_seqs, layout->labels);
	return mean_loss(layout, logits, 2, call->n_seqs, crew);
}

/* Positions are clamped to the sequence; the one behind its end does not count. */
static double
span_loss(const Call *call, const Layout *layout, const IntArray *positions, int column,
		  const Crew *crew)
{
	Classes classes = {.logits = layout->spans + column,
					   .ld = 2L * call->length,
					   .step = 2,
					   .n_rows = call->n_seqs,
					   .n_classes = call->length,
					   .labels = layout->labels,
					   .losses = layout->losses};

	for (int i = 0; i < call->n_seqs; i++)
	{
		int32_t at = positions->data[i] > 0 ? positions->data[i] : 0;

		layout->labels[i] = at < call->length ? at : LABEL_IGNORED;
	}
	return loss_classes(&classes, crew);
}

/* Each sequence's vector shall be more like that of its own attack than like another's, and so shall that
 * of its labels (Su et al. 2022). */
static double
contrast_loss(const Call *call, const Layout *layout, const Crew *crew)
{
	int			 n = call->n_seqs, width = call->model->hidden_size;
	const float *pooled = layout->pooled, *labels = pooled + (long) n * width;
	const float *attack = labels + (long) n * width;
	double		 sum = 0.0;

	for (int i = 0; i < n; i++)
		layout->labels[i] = i;
	loss_cosines(pooled, attack, n, width, CONTRAST_SCALE, layout->similar);
	sum += mean_loss(layout, layout->similar, n, n, crew);
	loss_cosines(labels, attack, n, width, CONTRAST_SCALE, layout->similar);
	sum += mean_loss(layout, layout->similar, n, n, crew);
	return sum / 2.0;
}

static double
compute_loss(const Call *call, const Layout *layout, const ForwardOutputs *outputs,
			 const Crew *crew)
{
	const ForwardInputs *in = call->inputs;
	const OutputArray	*logits = &outputs->logits;
	int					 width = logits->rank > 0 ? logits->dims[logits->rank - 1] : 0;
	int					 rows = width > 0 ? (int) (logits->n / (size_t) width) : 0;
	double				 loss;

	switch (call->loss)
	{
		case LOSS_NONE:
			return NAN;
		case LOSS_CLASSES:
			if (in->labels.data == NULL)
				return pair_loss(call, layout, logits->data, crew);
			class_labels(&in->labels, (size_t) rows, layout->labels);
			return mean_loss(layout, logits->data, width, rows, crew);
		case LOSS_NEXT_TOKENS:
			class_labels(&in->labels, (size_t) rows, layout->labels);
			shift_labels(call, layout->labels);
			return mean_loss(layout, logits->data, width, rows, crew);
		case LOSS_SQUARES:
			return loss_squares(logits->data, in->labels.data, (long) logits->n);
		case LOSS_EACH_LABEL:
			return loss_each_label(logits->data, in->labels.data, (long) logits->n);
		case LOSS_SPANS:
			return (span_loss(call, layout, &in->start_positions, 0, crew) +
					span_loss(call, layout, &in->end_positions, 1, crew)) /
				   2.0;
		case LOSS_PRE_TRAINING:
			class_labels(&in->labels, (size_t) rows, layout->labels);
			loss = mean_loss(layout, logits->data, width, rows, crew);
			return loss + pair_loss(call, layout, outputs->seq_relationship_logits.data, crew);
		case LOSS_TOKENS:
		case LOSS_CONTRAST:
			copy_labels(&in->labels_input_ids, (size_t) rows, layout->labels);
			loss = mean_loss(layout, logits->data, width, rows, crew);
			return call->loss == LOSS_TOKENS ? loss : loss + contrast_loss(call, layout, crew);
	}
	return NAN;
}

/* ---- a run ---- */

/* The caller's outputs are those of a plan for these inputs. */
static bool
check_outputs(const ForwardOutputs *planned, const ForwardOutputs *outputs, Error *error)
{
	const OutputArray *a[] = {&planned->logits,
							  &planned->start_logits,
							  &planned->end_logits,
							  &planned->last_hidden_state,
							  &planned->pooler_output,
							  &planned->hidden_states,
							  &planned->attentions,
							  &planned->cross_attentions,
							  &planned->seq_relationship_logits};
	const OutputArray *b[] = {&outputs->logits,
							  &outputs->start_logits,
							  &outputs->end_logits,
							  &outputs->last_hidden_state,
							  &outputs->pooler_output,
							  &outputs->hidden_states,
							  &outputs->attentions,
							  &outputs->cross_attentions,
							  &outputs->seq_relationship_logits};
	bool			   same = planned->past_size == outputs->past_size;

	for (size_t i = 0; i < sizeof a / sizeof *a; i++)
		same = same && a[i]->n == b[i]->n && (b[i]->n == 0 || b[i]->data != NULL);
	return same ||
		   error_set(error, ERR_ARGUMENT, "the outputs are not those of these inputs' plan");
}

/* Computes one batch of a run behind its layout. */
static bool
run_batch(const Call *call, const Layout *layout, const Batch *batch, const Workspace *workspace,
		  const Crew *crew, Output *output, Error *error)
{
	Workspace rest = {.base = workspace->base + layout->used,
					  .size = workspace->size - layout->used};

	if (!model_check(call->model, batch, error))
		return false;
	return model_forward(call->model, batch, &rest, crew, output) ||
		   error_set(error, ERR_CANCELLED, "the computation was cancelled");
}

static void
keep_pooled(const Call *call, const Output *output, float *pooled)
{
	OutputArray to = {.rank = 2,
					  .dims = {call->n_seqs, call->model->hidden_size},
					  .n = (size_t) call->n_seqs * (size_t) call->model->hidden_size,
					  .data = pooled};

	copy_rows(output->pooled, output->ld, &to);
}

/* The vectors of the texts that a contrastive loss compares, behind that of the input. */
static bool
run_contrasts(const Call *call, const Layout *layout, const Workspace *workspace, const Crew *crew,
			  Error *error)
{
	Workspace rest = {.base = workspace->base + layout->used,
					  .size = workspace->size - layout->used};
	float	 *pooled = layout->pooled;

	fill_targets(call, layout->target_ids);
	for (Contrast which = 0; which < CONTRASTS; which++)
	{
		ForwardInputs inputs = contrast_inputs(call->inputs, which, layout->target_ids);
		Layout		  inner;
		Output		  output;
		Batch		  batch;
		Call		  contrast;

		if (!contrast_read(&contrast, call, which, &inputs, error))
			return false;
		inner = lay_out(&contrast, rest.base);
		fill_offsets(&contrast, inner.offsets);
		batch = make_batch(&contrast, &inner);
		if (!run_batch(&contrast, &inner, &batch, &rest, crew, &output, error))
			return false;
		pooled += (long) call->n_seqs * call->model->hidden_size;
		keep_pooled(call, &output, pooled);
	}
	return true;
}

bool
forward_run(const Model *model, const ForwardInputs *inputs, Workspace *workspace, const Crew *crew,
			ForwardOutputs *outputs, Error *error)
{
	size_t		   needed = forward_workspace(model, inputs, crew->size);
	ForwardOutputs planned;
	Layout		   layout;
	Output		   output;
	Batch		   batch;
	Call		   call;

	if (!call_read(&call, model, inputs, error) || !plan_outputs(&call, &planned, error) ||
		!check_outputs(&planned, outputs, error))
		return false;
	if (needed == 0 || needed > workspace->size)
		return error_set(error, ERR_MEMORY, "a workspace has %zu bytes, but %zu are needed",
						 workspace->size, needed);
	layout = lay_out(&call, workspace->base);
	fill_offsets(&call, layout.offsets);
	repeat_positions(&call, layout.positions);
	repeat_head_mask(&call, layout.head_mask);
	begin_caches(&call, &layout, outputs);
	batch = make_batch(&call, &layout);
	add_outputs(&layout, outputs, &batch);
	if (!run_batch(&call, &layout, &batch, workspace, crew, &output, error))
		return false;
	copy_rows(output.hidden_states, output.ld, &outputs->last_hidden_state);
	copy_rows(output.pooled, output.ld, &outputs->pooler_output);
	split_spans(&call, layout.spans, outputs);
	if (call.returns_past)
		past_finish(model, outputs->past, call.n_seqs, call.keys, call.source);
	if (call.loss == LOSS_CONTRAST)
	{
		keep_pooled(&call, &output, layout.pooled);
		if (!run_contrasts(&call, &layout, workspace, crew, error))
			return false;
	}
	outputs->has_loss = call.loss != LOSS_NONE;
	outputs->loss = (float) compute_loss(&call, &layout, outputs, crew);
	return true;
}
