/*
 * call.c: which arguments a class takes, and how their shapes and values go together.
 */
#include "task/call.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "task/loss.h"

#define SHAPE_BYTES 100

/* A call while it is read. */
typedef struct Reader
{
	Call				*call;
	const Model			*model;
	const ForwardInputs *inputs;
	Error				*error;
	int					 text_rank; /* of input_ids: 2, or 3 for multiple choice */
} Reader;

/* ---- what a class takes ---- */

static bool
takes_past(const Model *model)
{
	return model->is_decoder &&
		   (model->head == HEAD_BASE || model->head == HEAD_CAUSAL_LM ||
			(model->head == HEAD_SEQUENCE_CLASSIFICATION && model->sequence_has_cache));
}

static bool
takes_encoder_states(Head head)
{
	return head == HEAD_BASE || head == HEAD_CAUSAL_LM || head == HEAD_MASKED_LM;
}

static bool
refuse(const Reader *reader, bool given, const char *name)
{
	return !given || error_set(reader->error, ERR_ARGUMENT, "%s takes no %s",
							   reader->model->architecture, name);
}

/* A switch, or the config's default where it is not given. */
static bool
chosen(int given, bool by_config)
{
	return given < 0 ? by_config : given != 0;
}

/* RoCBertForPreTraining, whose labels are texts. */
static bool
has_contrast(const Model *model)
{
	return model->head == HEAD_PRE_TRAINING && !model->has_pair_logits;
}

static bool
refuse_contrast(const Reader *reader)
{
	const ForwardInputs *in = reader->inputs;
	const struct
	{
		const char *name;
		const void *data;
	} arguments[] = {
		{"labels_input_ids", in->labels_input_ids.data},
		{"labels_token_type_ids", in->labels_token_type_ids.data},
		{"labels_input_shape_ids", in->labels_input_shape_ids.data},
		{"labels_input_pronunciation_ids", in->labels_input_pronunciation_ids.data},
		{"labels_attention_mask", in->labels_attention_mask.data},
		{"attack_input_ids", in->attack_input_ids.data},
		{"attack_token_type_ids", in->attack_token_type_ids.data},
		{"attack_input_shape_ids", in->attack_input_shape_ids.data},
		{"attack_input_pronunciation_ids", in->attack_input_pronunciation_ids.data},
		{"attack_attention_mask", in->attack_attention_mask.data},
	};

	for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
		if (!refuse(reader, arguments[i].data != NULL && !has_contrast(reader->model),
					arguments[i].name))
			return false;
	return true;
}

static bool
refuse_arguments(const Reader *reader)
{
	const ForwardInputs *in = reader->inputs;
	const Model			*model = reader->model;
	Head				 head = model->head;
	bool				 contrast = has_contrast(model);

	return refuse_contrast(reader) &&
		   refuse(reader, in->token_type_ids.data != NULL && model->type_vocab_size == 0,
				  "token_type_ids") &&
		   refuse(reader,
				  in->position_ids.data != NULL && model->n_positions == 0 &&
					  !model->ignores_positions,
				  "position_ids") &&
		   refuse(reader, in->head_mask.data != NULL && model->n_heads == 0, "head_mask") &&
		   refuse(reader, in->cross_attn_head_mask.data != NULL && !model->takes_cross_head_mask,
				  "cross_attn_head_mask") &&
		   refuse(reader, in->input_shape_ids.data != NULL && model->shape_vocab_size == 0,
				  "input_shape_ids") &&
		   refuse(reader,
				  in->input_pronunciation_ids.data != NULL && model->pronunciation_vocab_size == 0,
				  "input_pronunciation_ids") &&
		   refuse(reader, in->encoder_hidden_states.data != NULL && !takes_encoder_states(head),
				  "encoder_hidden_states") &&
		   refuse(reader,
				  in->labels.data != NULL &&
					  (head == HEAD_BASE || head == HEAD_QUESTION_ANSWERING || contrast),
				  "labels") &&
		   refuse(reader, in->start_positions.data != NULL && head != HEAD_QUESTION_ANSWERING,
				  "start_positions") &&
		   refuse(reader, in->end_positions.data != NULL && head != HEAD_QUESTION_ANSWERING,
				  "end_positions") &&
		   refuse(reader,
				  in->next_sentence_label.data != NULL && head != HEAD_NEXT_SENTENCE &&
					  (head != HEAD_PRE_TRAINING || contrast),
				  "next_sentence_label") &&
		   refuse(reader, in->past != NULL && !takes_past(model), "past");
}

/* ---- shapes ---- */

/* "[2][5]"; an empty array has no dimensions */
static void
shape_text(char *out, const int *dims, int rank)
{
	int used = 0;

	snprintf(out, SHAPE_BYTES, "[0]");
	for (int i = 0; i < rank && used < SHAPE_BYTES - 16; i++)
		used += snprintf(out + used, SHAPE_BYTES - (size_t) used, "[%d]", dims[i]);
}

/* Whether an array has a shape; one for a batch of one may come without the first dimension. */
static bool
is_shape(const int *dims, int rank, const int *expected, int n)
{
	size_t bytes = (size_t) n * sizeof(int);

	if (rank == n)
		return memcmp(dims, expected, bytes) == 0;
	return n > 1 && rank == n - 1 && expected[0] == 1 &&
		   memcmp(dims, expected + 1, bytes - sizeof(int)) == 0;
}

static bool
check_shape(const Reader *reader, const char *name, const int *dims, int rank, const int *expected,
			int n)
{
	char found[SHAPE_BYTES], wanted[SHAPE_BYTES];

	if (is_shape(dims, rank, expected, n))
		return true;
	shape_text(found, dims, rank);
	shape_text(wanted, expected, n);
	return error_set(reader->error, ERR_ARGUMENT, "%s has the shape %s, but must have %s", name,
					 found, wanted);
}

/* Numbers in an array; dims are those of data that is in memory. */
static size_t
count(const int *dims, int rank)
{
	size_t n = 1;

	for (int i = 0; i < rank; i++)
		n *= (size_t) dims[i];
	return n;
}

static bool
check_finite(const Reader *reader, const char *name, const FloatArray *array)
{
	size_t n = count(array->dims, array->rank);

	for (size_t i = 0; i < n; i++)
		if (!isfinite(array->data[i]))
			return error_set(reader->error, ERR_ARGUMENT,
							 "%s has the value %g, which is not finite", name,
							 (double) array->data[i]);
	return true;
}

/* input_ids or inputs_embeds: they decide batch and length. */
static bool
read_text(Reader *reader)
{
	const ForwardInputs *in = reader->inputs;
	Call				*call = reader->call;
	bool				 embeds = in->inputs_embeds.data != NULL;
	const char			*name = embeds ? "inputs_embeds" : "input_ids";
	const int			*dims = embeds ? in->inputs_embeds.dims : in->input_ids.dims;
	int					 rank = embeds ? in->inputs_embeds.rank - 1 : in->input_ids.rank;
	int					 sizes[3] = {1, 1, 1}, first;
	char				 found[SHAPE_BYTES];

	if (embeds == (in->input_ids.data != NULL))
		return error_set(reader->error, ERR_ARGUMENT,
						 embeds ? "input_ids and inputs_embeds are both given, but only one can be"
								: "input_ids or inputs_embeds must be given");
	first = reader->text_rank - rank;
	if (first < 0 || first > 1)
	{
		shape_text(found, dims, embeds ? rank + 1 : rank);
		return error_set(
			reader->error, ERR_ARGUMENT,
			"%s has the shape %s, but %s takes %d dimensions, or %d for a batch of one", name,
			found, reader->model->architecture, reader->text_rank + embeds,
			reader->text_rank + embeds - 1);
	}
	memcpy(sizes + first, dims, (size_t) rank * sizeof(int));
	for (int i = 0; i < reader->text_rank; i++)
		if (sizes[i] < 1)
			return error_set(reader->error, ERR_ARGUMENT, "%s has a dimension of %d", name,
							 sizes[i]);
	if (embeds && dims[rank] != reader->model->embedding_size)
		return error_set(reader->error, ERR_ARGUMENT,
						 "inputs_embeds are %d numbers wide, but the model's embeddings %d",
						 dims[rank], reader->model->embedding_size);
	call->batch = sizes[0];
	call->choices = reader->text_rank == 3 ? sizes[1] : 1;
	call->length = sizes[reader->text_rank - 1];
	if (__builtin_mul_overflow(call->batch, call->choices, &call->n_seqs) ||
		__builtin_mul_overflow(call->n_seqs, call->length, &call->n_tokens))
		return error_set(reader->error, ERR_LIMIT, "%s has too many tokens", name);
	return !embeds || check_finite(reader, name, &in->inputs_embeds);
}

/* An array with a number for each token. */
static bool
check_by_token(const Reader *reader, const char *name, const int *dims, int rank)
{
	const Call *call = reader->call;
	int			plain[2] = {call->batch, call->length};
	int			choices[3] = {call->batch, call->choices, call->length};

	return check_shape(reader, name, dims, rank, reader->text_rank == 3 ? choices : plain,
					   reader->text_rank);
}

static bool
check_ids(const Reader *reader, const char *name, const IntArray *ids)
{
	return ids->data == NULL || check_by_token(reader, name, ids->dims, ids->rank);
}

/* position_ids: of each token, or of each position of all sequences. */
static bool
read_positions(const Reader *reader)
{
	const IntArray *ids = &reader->inputs->position_ids;
	Call		   *call = reader->call;
	int				row[2] = {1, call->length};

	if (ids->data == NULL)
		return true;
	call->shared_positions =
		call->n_seqs > 1 && reader->text_rank == 2 && is_shape(ids->dims, ids->rank, row, 2);
	return call->shared_positions || check_ids(reader, "position_ids", ids);
}

/* An array with a number for each item of the batch. */
static bool
check_by_item(const Reader *reader, const char *name, const int *dims, int rank)
{
	int expected[2] = {reader->call->batch, 1};

	return (rank == 2 && is_shape(dims, rank, expected, 2)) ||
		   check_shape(reader, name, dims, rank, expected, 1);
}

/* ---- masks, past, encoder ---- */

/* A mask (batch, keys) or (batch, queries, keys): how many rows it has for each sequence. */
static bool
read_mask(const Reader *reader, const char *name, const FloatArray *mask, int keys, int *rows)
{
	const Call *call = reader->call;
	int			by_query[3] = {call->batch, call->length, keys};
	int			by_choice[3] = {call->batch, call->choices, keys};
	int			plain[2] = {call->batch, keys};
	size_t		n = count(mask->dims, mask->rank);

	*rows = 1;
	if (mask->data == NULL)
		return true;
	if (reader->text_rank == 3)
	{
		if (!check_shape(reader, name, mask->dims, mask->rank, by_choice, 3))
			return false;
	}
	else if (mask->rank == 3)
	{
		*rows = call->length;
		if (!check_shape(reader, name, mask->dims, mask->rank, by_query, 3))
			return false;
	}
	else if (!check_shape(reader, name, mask->dims, mask->rank, plain, 2))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(mask->data[i] >= 0.0f && mask->data[i] <= 1.0f))
			return error_set(reader->error, ERR_ARGUMENT,
							 "%s has the value %g, not 0, 1 or between", name,
							 (double) mask->data[i]);
	return true;
}

static bool
read_head_mask(const Reader *reader, const char *name, const FloatArray *mask)
{
	const Model *model = reader->model;
	int			 expected[2] = {model->n_layers, model->n_heads};

	if (mask->data == NULL)
		return true;
	if (!(mask->rank == 1 && mask->dims[0] == model->n_heads && !model->head_mask_by_layer) &&
		!(mask->rank == 2 && is_shape(mask->dims, 2, expected, 2)))
	{
		char found[SHAPE_BYTES];

		shape_text(found, mask->dims, mask->rank);
		return error_set(reader->error, ERR_ARGUMENT,
						 model->head_mask_by_layer
							 ? "%s has the shape %s, but must have [%d][%d]"
							 : "%s has the shape %s, but must have [%d][%d] or [%d]",
						 name, found, model->n_layers, model->n_heads, model->n_heads);
	}
	return check_finite(reader, name, mask);
}

static bool
read_past(const Reader *reader)
{
	const ForwardInputs *in = reader->inputs;
	const Model			*model = reader->model;
	Call				*call = reader->call;
	bool				 labels = in->labels.data != NULL && model->labels_drop_cache;

	if (in->past != NULL && !past_read(model, in->past, in->past_size, &call->past, reader->error))
		return false;
	if (call->past.length > 0 && call->past.n_seqs != call->n_seqs)
		return error_set(reader->error, ERR_ARGUMENT,
						 "past has a batch of %d, but input_ids or inputs_embeds of %d",
						 call->past.n_seqs, call->n_seqs);
	if (__builtin_add_overflow(call->past.length, call->length, &call->keys))
		return error_set(reader->error, ERR_LIMIT, "past and input have too many tokens");
	call->cached = model->is_decoder && !labels && chosen(in->use_cache, model->use_cache);
	call->returns_past = call->cached && takes_past(model);
	call->cached |= call->past.length > 0;
	return true;
}

static bool
read_encoder(const Reader *reader)
{
	const FloatArray *states = &reader->inputs->encoder_hidden_states;
	const Model		 *model = reader->model;
	Call			 *call = reader->call;
	int				  expected[3] = {call->batch, 0, model->layer_size};

	if (!model->is_decoder || states->data == NULL)
		return true;
	if (!model->has_cross_attention)
		return error_set(reader->error, ERR_ARGUMENT,
						 "encoder_hidden_states are given, but the model has no cross-attention");
	if (states->rank > 1)
		expected[1] = states->dims[states->rank - 2];
	if (!check_shape(reader, "encoder_hidden_states", states->dims, states->rank, expected, 3) ||
		!check_finite(reader, "encoder_hidden_states", states))
		return false;
	call->source = expected[1];
	if (call->source < 1)
		return error_set(reader->error, ERR_ARGUMENT, "encoder_hidden_states has a dimension of %d",
						 call->source);
	if (call->past.length > 0 && call->past.source != call->source)
		return error_set(reader->error, ERR_ARGUMENT,
						 "encoder_hidden_states has %d positions, but past was made with %d",
						 call->source, call->past.source);
	return read_mask(reader, "encoder_attention_mask", &reader->inputs->encoder_attention_mask,
					 call->source, &call->encoder_mask_rows);
}

/* ---- labels ---- */

static bool
check_class(const Reader *reader, const char *name, double label, int n_classes)
{
	if (label == LABEL_IGNORED || (label >= 0 && label < n_classes && label == floor(label)))
		return true;
	return error_set(reader->error, ERR_ARGUMENT,
					 "label %g in %s is neither a whole number between 0 and %d nor %d", label,
					 name, n_classes - 1, LABEL_IGNORED);
}

static bool
check_classes(const Reader *reader, int n_classes)
{
	const DoubleArray *labels = &reader->inputs->labels;
	size_t			   n = count(labels->dims, labels->rank);

	for (size_t i = 0; i < n; i++)
		if (!check_class(reader, "labels", labels->data[i], n_classes))
			return false;
	return true;
}

static bool
check_finite_labels(const Reader *reader)
{
	const DoubleArray *labels = &reader->inputs->labels;
	size_t			   n = count(labels->dims, labels->rank);

	for (size_t i = 0; i < n; i++)
		if (!isfinite(labels->data[i]))
			return error_set(reader->error, ERR_ARGUMENT, "label %g in labels is not finite",
							 labels->data[i]);
	return true;
}

/* Sequence classification: what config.json says, or else what the labels look like. */
static bool
read_sequence_labels(const Reader *reader)
{
	const DoubleArray *labels = &reader->inputs->labels;
	Call			  *call = reader->call;
	int				   n = reader->model->n_labels, by_label[2] = {call->batch, n};
	ProblemType		   type = reader->model->problem_type;

	if (type == PROBLEM_BY_LABELS && n == 1)
		type = PROBLEM_REGRESSION;
	else if (type == PROBLEM_BY_LABELS)
		type =
			labels->rank == 2 && labels->dims[1] == n ? PROBLEM_MULTI_LABEL : PROBLEM_SINGLE_LABEL;
	if (type == PROBLEM_SINGLE_LABEL)
	{
		call->loss = LOSS_CLASSES;
		return check_by_item(reader, "labels", labels->dims, labels->rank) &&
			   check_classes(reader, n);
	}
	call->loss = type == PROBLEM_REGRESSION ? LOSS_SQUARES : LOSS_EACH_LABEL;
	if (n == 1)
		return check_by_item(reader, "labels", labels->dims, labels->rank) &&
			   check_finite_labels(reader);
	return check_shape(reader, "labels", labels->dims, labels->rank, by_label, 2) &&
		   check_finite_labels(reader);
}

/* Labels of tokens. */
static bool
read_token_labels(const Reader *reader, LossKind loss, int n_classes)
{
	const DoubleArray *labels = &reader->inputs->labels;

	reader->call->loss = loss;
	return check_by_token(reader, "labels", labels->dims, labels->rank) &&
		   check_classes(reader, n_classes);
}

/* Labels of the batch's items. */
static bool
read_item_labels(const Reader *reader, int n_classes)
{
	const DoubleArray *labels = &reader->inputs->labels;

	reader->call->loss = LOSS_CLASSES;
	return check_by_item(reader, "labels", labels->dims, labels->rank) &&
		   check_classes(reader, n_classes);
}

/* next_sentence_label, where it is given. */
static bool
read_pair_labels(const Reader *reader)
{
	const IntArray *labels = &reader->inputs->next_sentence_label;

	if (labels->data == NULL)
		return true;
	if (!check_by_item(reader, "next_sentence_label", labels->dims, labels->rank))
		return false;
	for (int i = 0; i < reader->call->batch; i++)
		if (!check_class(reader, "next_sentence_label", labels->data[i], 2))
			return false;
	reader->call->pair_labels = labels;
	return true;
}

/* labels_input_ids, and whether there is an attack to compare with. */
static bool
read_contrast(const Reader *reader)
{
	const IntArray *labels = &reader->inputs->labels_input_ids;
	bool			attack = reader->inputs->attack_input_ids.data != NULL;

	if (labels->data == NULL)
		return true;
	if (!check_by_token(reader, "labels_input_ids", labels->dims, labels->rank))
		return false;
	for (int i = 0; i < reader->call->n_tokens; i++)
		if (!check_class(reader, "labels_input_ids", labels->data[i], reader->model->vocab_size))
			return false;
	reader->call->loss = attack ? LOSS_CONTRAST : LOSS_TOKENS;
	return true;
}

static bool
read_spans(const Reader *reader)
{
	const IntArray *start = &reader->inputs->start_positions, *end = &reader->inputs->end_positions;

	if ((start->data != NULL &&
		 !check_by_item(reader, "start_positions", start->dims, start->rank)) ||
		(end->data != NULL && !check_by_item(reader, "end_positions", end->dims, end->rank)))
		return false;
	if (start->data != NULL && end->data != NULL)
		reader->call->loss = LOSS_SPANS;
	return true;
}

static bool
read_labels(const Reader *reader)
{
	const Model *model = reader->model;
	bool		 given = reader->inputs->labels.data != NULL;

	if (!read_pair_labels(reader))
		return false;
	switch (model->head)
	{
		case HEAD_BASE:
			return true;
		case HEAD_QUESTION_ANSWERING:
			return read_spans(reader);
		case HEAD_SEQUENCE_CLASSIFICATION:
			return !given || read_sequence_labels(reader);
		case HEAD_TOKEN_CLASSIFICATION:
			return !given || read_token_labels(reader, LOSS_CLASSES, model->n_labels);
		case HEAD_MASKED_LM:
			return !given || read_token_labels(reader, LOSS_CLASSES, model->vocab_size);
		case HEAD_CAUSAL_LM:
			return !given || read_token_labels(reader, LOSS_NEXT_TOKENS, model->vocab_size);
		case HEAD_MULTIPLE_CHOICE:
			return !given || read_item_labels(reader, reader->call->choices);
		case HEAD_NEXT_SENTENCE:
			if (given && reader->call->pair_labels != NULL)
				return error_set(reader->error, ERR_ARGUMENT,
								 "labels and next_sentence_label are both given, but only one can "
								 "be");
			if (reader->call->pair_labels != NULL)
				reader->call->loss = LOSS_CLASSES;
			return !given || read_item_labels(reader, 2);
		case HEAD_PRE_TRAINING:
			if (has_contrast(model))
				return read_contrast(reader);
			if (given && !read_token_labels(reader, LOSS_PRE_TRAINING, model->vocab_size))
				return false;
			if (reader->call->pair_labels == NULL)
				reader->call->loss = LOSS_NONE;
			return true;
	}
	return true;
}

bool
call_read(Call *call, const Model *model, const ForwardInputs *inputs, Error *error)
{
	Reader reader = {.call = call,
					 .model = model,
					 .inputs = inputs,
					 .error = error,
					 .text_rank = model->head == HEAD_MULTIPLE_CHOICE ? 3 : 2};

	*call = (Call){.model = model, .inputs = inputs, .mask_rows = 1, .encoder_mask_rows = 1};
	call->hidden_states = chosen(inputs->output_hidden_states, model->output_hidden_states);
	call->attentions = chosen(inputs->output_attentions, model->output_attentions);
	return refuse_arguments(&reader) && read_text(&reader) &&
		   check_ids(&reader, "token_type_ids", &inputs->token_type_ids) &&
		   read_positions(&reader) &&
		   check_ids(&reader, "input_shape_ids", &inputs->input_shape_ids) &&
		   check_ids(&reader, "input_pronunciation_ids", &inputs->input_pronunciation_ids) &&
		   read_past(&reader) &&
		   read_mask(&reader, "attention_mask", &inputs->attention_mask, call->keys,
					 &call->mask_rows) &&
		   read_head_mask(&reader, "head_mask", &inputs->head_mask) &&
		   read_head_mask(&reader, "cross_attn_head_mask", &inputs->cross_attn_head_mask) &&
		   read_encoder(&reader) && read_labels(&reader);
}

ForwardInputs
contrast_inputs(const ForwardInputs *in, Contrast contrast, const int32_t *target_ids)
{
	ForwardInputs labels = {.input_ids = in->labels_input_ids,
							.token_type_ids = in->labels_token_type_ids,
							.attention_mask = in->labels_attention_mask,
							.input_shape_ids = in->labels_input_shape_ids,
							.input_pronunciation_ids = in->labels_input_pronunciation_ids};
	ForwardInputs attack = {.input_ids = in->attack_input_ids,
							.token_type_ids = in->attack_token_type_ids,
							.attention_mask = in->attack_attention_mask,
							.input_shape_ids = in->attack_input_shape_ids,
							.input_pronunciation_ids = in->attack_input_pronunciation_ids};

	labels.input_ids.data = target_ids;
	return contrast == CONTRAST_LABELS ? labels : attack;
}

bool
contrast_read(Call *contrast, const Call *call, Contrast which, const ForwardInputs *inputs,
			  Error *error)
{
	const char *name = which == CONTRAST_LABELS ? "labels" : "attack";

	if (!call_read(contrast, call->model, inputs, error))
	{
		Error reason = *error;

		error_set(error, reason.code, "%s: %.450s", name, reason.message);
		if (reason.detail[0] != '\0')
			error_detail(error, "%s", reason.detail);
		return false;
	}
	return contrast->n_seqs == call->n_seqs ||
		   error_set(error, ERR_ARGUMENT, "%s_input_ids have a batch of %d, but the input of %d",
					 name, contrast->n_seqs, call->n_seqs);
}
