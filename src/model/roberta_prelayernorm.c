/*
 * roberta_prelayernorm.c: RoBERTa (Liu et al. 2019) with its norms in front of the sub-layers (fairseq's
 * --encoder-normalize-before), model type "roberta-prelayernorm".
 *
 *	 x = LN(word[id] + type[t] + position[p])
 *	 layer:	x = x + Wo · attention(LN(x)) + bo;  x = x + W2 · act(W1 · LN(x) + b1) + b2
 *	 last_hidden_state = LN(x)
 *
 * Positions begin behind the padding's id, and padding in a text takes none.
 */
#include <string.h>

#include "model/encoder.h"
#include "model/head.h"

typedef struct RobertaWeights
{
	Table		  word;		/* (vocab, hidden) */
	Table		  position; /* (max_positions, hidden), with absolute positions */
	Table		  type;		/* (type_vocab, hidden) */
	Norm		  norm;
	Norm		  last_norm;  /* behind the last layer */
	Matrix		  pooler;	  /* (hidden, hidden); without panels: none */
	TransformHead lm;		  /* of language models */
	Matrix		  dense;	  /* (hidden, hidden) of a sequence classification */
	Matrix		  classifier; /* (outputs, hidden) */
	EncoderLayer  layers[];	  /* (n_layers) */
} RobertaWeights;

typedef struct RobertaState
{
	EncoderState encoder;
	int32_t		*positions;	  /* (tokens) */
	Activations	 chosen;	  /* (logit rows, hidden) */
	Activations	 transformed; /* (logit rows, hidden) */
	Activations	 first;		  /* (seqs, hidden) */
	Activations	 pooled;	  /* (seqs, hidden) */
} RobertaState;

/* ---- config ---- */

static const Architecture architectures[] = {
	{"RobertaPreLayerNormModel", HEAD_BASE, NULL},
	{"RobertaPreLayerNormForMaskedLM", HEAD_MASKED_LM, "lm_head.dense.weight"},
	{"RobertaPreLayerNormForCausalLM", HEAD_CAUSAL_LM, NULL},
	{"RobertaPreLayerNormForQuestionAnswering", HEAD_QUESTION_ANSWERING, "qa_outputs.weight"},
	{"RobertaPreLayerNormForSequenceClassification", HEAD_SEQUENCE_CLASSIFICATION,
	 "classifier.out_proj.weight"},
	{"RobertaPreLayerNormForTokenClassification", HEAD_TOKEN_CLASSIFICATION, "classifier.weight"},
	{"RobertaPreLayerNormForMultipleChoice", HEAD_MULTIPLE_CHOICE, NULL},
	{NULL, HEAD_BASE, NULL},
};

static bool
roberta_configure(void *out, const Params *params, Model *model, Error *error)
{
	EncoderConfig *config = out;

	if (!encoder_configure(config, params, 50265, 512, 1, model, error) ||
		!encoder_configure_positions(config, params, model, error) ||
		(model->head == HEAD_QUESTION_ANSWERING && !model_check_two_labels(model, error)))
		return false;
	if (model->pad_token_id + 2 > config->max_positions)
		return error_set(error, ERR_DATA,
						 "max_position_embeddings %d leaves no position behind pad_token_id %d",
						 config->max_positions, model->pad_token_id);
	config->norm_first = true;
	model->max_tokens = config->max_positions - model->pad_token_id - 1;
	model->max_columns = config->max_positions;
	model->labels_drop_cache = model->head == HEAD_CAUSAL_LM;
	return true;
}

/* ---- weights ---- */

static size_t
roberta_weights_size(const void *config)
{
	return sizeof(RobertaWeights) +
		   (size_t) ((const EncoderConfig *) config)->n_layers * sizeof(EncoderLayer);
}

static bool
bind_embeddings(const Model *model, RobertaWeights *weights, Binder *binder)
{
	const EncoderConfig *config = model->config;
	int					 vocab = config->vocab_size, hidden = config->hidden_size;
	const char			*words = "embeddings.word_embeddings";

	return (head_is_language_model(model->head)
				? bind_words_and_output(binder, &weights->word, &weights->lm.decoder, vocab, hidden,
										model->tie_word_embeddings, words, "lm_head.decoder",
										"lm_head.bias", "lm_head.decoder.bias")
				: bind_table(binder, &weights->word, vocab, hidden, "%s", words)) &&
		   (!encoder_has_absolute_positions(config) ||
			bind_table(binder, &weights->position, config->max_positions, hidden,
					   "embeddings.position_embeddings")) &&
		   bind_table(binder, &weights->type, config->type_vocab_size, hidden,
					  "embeddings.token_type_embeddings") &&
		   bind_norm(binder, &weights->norm.weight, &weights->norm.bias, hidden,
					 "embeddings.LayerNorm");
}

/* What a head has beside the words. */
static bool
bind_head(Model *model, RobertaWeights *weights, Binder *binder)
{
	const EncoderConfig *config = model->config;
	int					 hidden = config->hidden_size;

	switch (model->head)
	{
		case HEAD_BASE:
			return bind_optional_matrix(binder, &weights->pooler, hidden, hidden, true,
										"pooler.dense");
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			weights->lm.act = ACTIVATION_GELU;
			weights->lm.epsilon = config->layer_norm_eps;
			return bind_matrix(binder, &weights->lm.transform, hidden, hidden, true,
							   "lm_head.dense") &&
				   bind_norm(binder, &weights->lm.norm.weight, &weights->lm.norm.bias, hidden,
							 "lm_head.layer_norm");
		case HEAD_SEQUENCE_CLASSIFICATION:
			return bind_matrix(binder, &weights->dense, hidden, hidden, true, "classifier.dense") &&
				   bind_matrix(binder, &weights->classifier, model->n_labels, hidden, true,
							   "classifier.out_proj");
		case HEAD_MULTIPLE_CHOICE:
			return bind_matrix(binder, &weights->pooler, hidden, hidden, true, "pooler.dense") &&
				   bind_matrix(binder, &weights->classifier, 1, hidden, true, "classifier");
		case HEAD_TOKEN_CLASSIFICATION:
			return bind_matrix(binder, &weights->classifier, model->n_labels, hidden, true,
							   "classifier");
		case HEAD_QUESTION_ANSWERING:
			return bind_matrix(binder, &weights->classifier, 2, hidden, true, "qa_outputs");
		default:
			return true;
	}
}

static bool
roberta_bind(Model *model, void *out, Binder *binder)
{
	const EncoderConfig *config = model->config;
	RobertaWeights		*weights = out;

	if (!bind_embeddings(model, weights, binder) ||
		!encoder_bind(weights->layers, config, binder) ||
		!bind_norm(binder, &weights->last_norm.weight, &weights->last_norm.bias,
				   config->hidden_size, "LayerNorm") ||
		!bind_head(model, weights, binder))
		return false;
	model->has_pooler = weights->pooler.panels != NULL;
	return true;
}

/* ---- positions ---- */

/* How many tokens of a cache count: padding does, too, unless the pass goes on. */
static int
counted_before(const Cache *cache)
{
	return cache->length - (cache->continues ? cache->padding : 0);
}

/* p = padding + the number of tokens so far, cached ones included, that are no padding; padding itself
 * stays at its own.  Embeddings count from the beginning, whatever they are and follow. */
static void
padded_positions(const Batch *batch, int padding, int32_t *positions)
{
	for (int sequence = 0; sequence < batch->n_seqs; sequence++)
	{
		bool counted = batch->caches != NULL && batch->input_ids != NULL;
		int	 position = padding + (counted ? counted_before(&batch->caches[sequence]) : 0);

		for (int i = batch->offsets[sequence]; i < batch->offsets[sequence + 1]; i++)
			if (batch->input_ids != NULL && batch->input_ids[i] == padding)
				positions[i] = padding;
			else
				positions[i] = ++position;
	}
}

/* Tokens that are no padding must find a position. */
static bool
roberta_check(const Model *model, const Batch *batch, Error *error)
{
	const EncoderConfig *config = model->config;

	if (batch->position_ids != NULL || !encoder_has_absolute_positions(config))
		return true;
	for (int sequence = 0; sequence < batch->n_seqs; sequence++)
	{
		int length = batch->caches != NULL ? counted_before(&batch->caches[sequence]) : 0;

		for (int i = batch->offsets[sequence]; i < batch->offsets[sequence + 1]; i++)
			length += batch->input_ids == NULL || batch->input_ids[i] != model->pad_token_id;
		if (length > model->max_tokens)
			return error_set(error, ERR_LIMIT,
							 "sequence %d has %d tokens, but at most %d are allowed", sequence,
							 length, model->max_tokens);
	}
	return true;
}

/* ---- computing ---- */

/* Lays out a pass over a workspace, or counts its bytes when base is NULL. */
static size_t
roberta_state(RobertaState *state, const Model *model, char *base, int threads)
{
	const EncoderConfig *config = model->config;
	const Batch			*batch = state->encoder.pass.batch;
	int					 hidden = config->hidden_size;
	Carver				 carver = {.base = base}, head;

	state->positions = carve(&carver, (size_t) batch->n_tokens, sizeof(int32_t));
	state->first = carve_activations(&carver, batch->n_seqs, hidden);
	state->pooled = carve_activations(&carver, batch->n_seqs, hidden);
	encoder_carve(&state->encoder, config, hidden, threads, &carver, &head);
	if (batch->logits != NULL)
	{
		state->chosen = carve_activations(&head, logit_rows(batch), hidden);
		state->transformed = carve_activations(&head, logit_rows(batch), hidden);
	}
	return most_used(&carver, &head, &head);
}

static size_t
roberta_workspace(const Model *model, const Batch *largest, int threads)
{
	RobertaState state = {.encoder.pass = pass_begin(model, largest, NULL)};

	return roberta_state(&state, model, NULL, threads);
}

/* x = x + Wo · attention(LN(x)) + bo */
static bool
self_attention(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layer)
{
	Pass		*pass = &state->pass;
	Activations *x = &state->hidden_states, *normed = &state->normed;

	return layer_norm(pass, x, normed, &layer->attention_norm, config->layer_norm_eps,
					  &layer->query_key_value) &&
		   linear(pass, &layer->query_key_value, normed, &state->qkv, ACTIVATION_NONE, NULL) &&
		   attention(pass, &config->attention, &state->qkv, &layer->distance, &state->context) &&
		   linear(pass, &layer->attention_output, &state->context, x, ACTIVATION_NONE, x);
}

/* The same with an encoder's states, which come as they are. */
static bool
source_attention(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layer)
{
	Pass		*pass = &state->pass;
	Activations *x = &state->hidden_states, *normed = &state->normed;

	return layer_norm(pass, x, normed, &layer->cross_norm, config->layer_norm_eps,
					  &layer->cross_query) &&
		   linear(pass, &layer->cross_query, normed, &state->query, ACTIVATION_NONE, NULL) &&
		   cross_attention(pass, &config->attention, &state->query, &layer->cross_key_value,
						   &state->encoder_kv, &state->context) &&
		   linear(pass, &layer->cross_output, &state->context, x, ACTIVATION_NONE, x);
}

/* x = x + W2 · act(W1 · LN(x) + b1) + b2 */
static bool
feed_forward(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layer)
{
	Pass		*pass = &state->pass;
	Activations *x = &state->hidden_states, *normed = &state->normed;

	return layer_norm(pass, x, normed, &layer->output_norm, config->layer_norm_eps,
					  &layer->intermediate) &&
		   linear(pass, &layer->intermediate, normed, &state->intermediate, config->hidden_act,
				  NULL) &&
		   linear(pass, &layer->output, &state->intermediate, x, ACTIVATION_NONE, x);
}

static bool
roberta_layers(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layers)
{
	Pass *pass = &state->pass;

	if (!capture_hidden_states(pass, &state->hidden_states, 0))
		return false;
	for (int i = 0; i < config->n_layers; i++)
	{
		pass->layer = i;
		if (!self_attention(state, config, &layers[i]) ||
			(encoder_has_source(pass) && !source_attention(state, config, &layers[i])) ||
			!feed_forward(state, config, &layers[i]) ||
			!capture_hidden_states(pass, &state->hidden_states, i + 1))
			return false;
	}
	return true;
}

/* Logits, as far as the batch wants them. */
static bool
roberta_head(Pass *pass, const RobertaWeights *weights, RobertaState *state)
{
	const Activations *x = &state->encoder.hidden_states;

	if (pass->batch->logits == NULL)
		return true;
	switch (pass->model->head)
	{
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			return head_transform(pass, &weights->lm, x, &state->chosen, &state->transformed);
		case HEAD_SEQUENCE_CLASSIFICATION:
			gather_first(pass, x, &state->first);
			return head_two_layers(pass, &weights->dense, ACTIVATION_TANH, &weights->classifier,
								   &state->first, &state->pooled);
		case HEAD_MULTIPLE_CHOICE:
			return pooler(pass, &weights->pooler, x, &state->first, &state->pooled) &&
				   head_linear(pass, &weights->classifier, &state->pooled, pass->batch->logits);
		case HEAD_TOKEN_CLASSIFICATION:
		case HEAD_QUESTION_ANSWERING:
			return head_tokens(pass, &weights->classifier, x, &state->chosen);
		default:
			return true;
	}
}

static bool
roberta_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
				Output *output)
{
	const EncoderConfig	 *config = model->config;
	const RobertaWeights *weights = model->weights;
	RobertaState		  state = {.encoder.pass = pass_begin(model, batch, crew)};
	Pass				 *pass = &state.encoder.pass;
	Activations			 *x = &state.encoder.hidden_states;
	EmbeddingPart		  parts[3] = {word_part(batch, &weights->word),
									  {&weights->type, batch->token_type_ids, NULL},
									  {&weights->position, batch->position_ids, NULL}};
	bool				  absolute = encoder_has_absolute_positions(config);
	bool				  pooled = batch->pooler && model->has_pooler;

	roberta_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, false);
	if (absolute && batch->position_ids == NULL)
	{
		padded_positions(batch, model->pad_token_id, state.positions);
		parts[2].index = state.positions;
	}
	if (!embeddings(pass, parts, absolute ? 3 : 2, x) ||
		!layer_norm(pass, x, x, &weights->norm, config->layer_norm_eps, NULL) ||
		!roberta_layers(&state.encoder, config, weights->layers) ||
		!layer_norm(pass, x, x, &weights->last_norm, config->layer_norm_eps, NULL) ||
		(pooled && !pooler(pass, &weights->pooler, x, &state.first, &state.pooled)) ||
		!roberta_head(pass, weights, &state))
		return false;
	*output =
		(Output){.hidden_states = x->x, .ld = x->ld, .pooled = pooled ? state.pooled.x : NULL};
	return true;
}

const Family family_roberta_prelayernorm = {
	.model_type = "roberta-prelayernorm",
	.base_prefix = "roberta_prelayernorm.",
	.defaults = "{\"bos_token_id\": 0, \"pad_token_id\": 1, \"eos_token_id\": 2, "
				"\"vocab_size\": 50265, \"hidden_size\": 768, \"num_hidden_layers\": 12, "
				"\"num_attention_heads\": 12, \"hidden_act\": \"gelu\", "
				"\"intermediate_size\": 3072, \"hidden_dropout_prob\": 0.1, "
				"\"attention_probs_dropout_prob\": 0.1, \"max_position_embeddings\": 512, "
				"\"type_vocab_size\": 2, \"initializer_range\": 0.02, "
				"\"layer_norm_eps\": 1e-12, \"position_embedding_type\": \"absolute\", "
				"\"use_cache\": true, \"classifier_dropout\": null}",
	.architectures = architectures,
	.config_size = sizeof(EncoderConfig),
	.configure = roberta_configure,
	.weights_size = roberta_weights_size,
	.bind = roberta_bind,
	.check = roberta_check,
	.workspace = roberta_workspace,
	.forward = roberta_forward,
};
