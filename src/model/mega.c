/*
 * mega.c: MEGA (Ma et al. 2022), model type "mega".
 *
 *	 x = word[id] (+ type[t])
 *	 self-attention, with h = norm(x):
 *		 v = act(Wv h + bv)
 *		 r, a, g, c = Wm · ema(h) + bm;  r = σ(r), a = silu(a), g = silu(g)
 *		 q = a ∘ w₀ + b₀, k = a ∘ w₁ + b₁;  o = f(q kᵀ + bias) v, inside chunks where asked for
 *		 x = x + r ∘ (act(c + Wh · (o ∘ g) + bh) - x)
 *	 cross-attention of a decoder, with h = norm(x) and the encoder's states e:
 *		 r, g, q = Wq h + bq;  k = Wk e + bk, v = act(Wv e + bv);  o = f(q kᵀ + bias) v
 *		 x = x + r ∘ (act(Wh · (o ∘ g) + bh) - x)
 *	 feed-forward: x = x + W2 · act(W1 · norm(x) + b1) + b2
 *	 pooled = tanh(Wp · x[first token] + bp)
 *
 * There is one head.  Norms may come behind each block instead, and f may be another function than
 * softmax; q kᵀ is then divided by the number of keys.  Where Transformers' decoder does not give
 * in steps what it gives in one pass (that number, cross-attention's positions, a truncated
 * average), this is what Transformers does.  It can run only some lengths in chunks; here the last
 * one may be shorter.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/ema.h"
#include "model/head.h"
#include "model/position_bias.h"

#define NORM_EPS 1e-5f
#define ROWS_LEAST 4		 /* rows that are worth an item */
#define QUERY_BLOCK 64		 /* queries of an item of attention */
#define BIAS_READY (1 << 14) /* positions whose bias is kept ready, at most */
#define PREFIX_BYTES 64

typedef enum NormKind
{
	NORM_LAYER,
	NORM_SCALE,
	NORM_RMS,
	NORM_BATCH,
	NORM_SYNC_BATCH
} NormKind;

typedef struct MegaConfig
{
	int				  hidden_size, n_layers;
	int				  values; /* intermediate_size: width of v and g */
	int				  shared; /* shared_representation_size: width of q and k */
	int				  inner;  /* nffn_hidden_size */
	int				  vocab_size, type_vocab_size;
	int				  chunk; /* tokens that see each other; 0: all */
	NormKind		  norm;
	Activation		  act;
	AttentionFunction function;
	bool			  norm_affine, norm_before, norm_before_ffn, has_ffn, has_types, has_lm_dense;
	EmaConfig		  ema;
	BiasConfig		  bias;
} MegaConfig;

/* What a norm multiplies with and adds, each NULL where there is none.  NORM_SCALE has one number;
 * of NORM_BATCH mean and variance are in it. */
typedef struct MegaNorm
{
	const float *weight, *bias;
} MegaNorm;

typedef struct MegaAttention
{
	MegaNorm	 norm;
	Matrix		 value; /* (values, hidden) */
	Ema			 ema;
	Matrix		 mixed;				  /* (hidden + shared + values + hidden, hidden): r, a, g, c */
	const float *qk_weight, *qk_bias; /* (2, shared) */
	PositionBias bias;
	Matrix		 out; /* (hidden, values) */
} MegaAttention;

typedef struct MegaCross
{
	MegaNorm	 norm;
	Matrix		 query; /* (hidden + hidden + shared, hidden): r, g, q */
	Matrix		 key;	/* (shared, hidden) */
	Matrix		 value; /* (hidden, hidden) */
	PositionBias bias;
	Matrix		 out; /* (hidden, hidden) */
} MegaCross;

typedef struct MegaLayer
{
	MegaAttention self;
	MegaCross	  cross;
	MegaNorm	  ffn_norm;
	Matrix		  fc1, fc2; /* (inner, hidden), (hidden, inner) */
} MegaLayer;

typedef struct MegaWeights
{
	Table	  word, type; /* (vocab, hidden), (type_vocab, hidden) */
	Matrix	  pooler;	  /* (hidden, hidden); without panels: none */
	Matrix	  dense;	  /* (hidden, hidden) in front of the head */
	Matrix	  head;		  /* (outputs, hidden) */
	MegaLayer layers[];	  /* (n_layers) */
} MegaWeights;

typedef struct MegaState
{
	Pass		pass;
	int32_t	   *first_item;	 /* (seqs + 1) of each sequence's blocks of queries */
	uint8_t	   *seen;		 /* (seqs, max_keys), of a mask; else NULL */
	uint8_t	   *source_seen; /* (seqs, source), likewise */
	float	   *bias_room;	 /* for distances that are not ready */
	Activations x;			 /* (tokens, hidden) */
	Activations normed;		 /* (tokens, hidden) h */
	Activations averaged;	 /* (tokens, hidden) ema(h); later act's argument */
	Activations value;		 /* (tokens, values) */
	Activations mixed;		 /* (tokens, hidden + shared + values + hidden); q where a was */
	Activations key;		 /* (tokens, shared) */
	Activations context;	 /* (tokens, values or hidden) o, o ∘ g */
	Activations source_key, source_value; /* (seqs source, shared), (seqs source, hidden) */
	Activations inner;					  /* (tokens, inner), where value, mixed, ... were */
	Activations chosen, dense;			  /* (logit rows, hidden), likewise */
	Activations first, pooled;			  /* (seqs, hidden) */
} MegaState;

/* ---- config ---- */

static const Architecture architectures[] = {
	{"MegaModel", HEAD_BASE, NULL},
	{"MegaForCausalLM", HEAD_CAUSAL_LM, "lm_head.bias"},
	{"MegaForMaskedLM", HEAD_MASKED_LM, "mlm_head.bias"},
	{"MegaForSequenceClassification", HEAD_SEQUENCE_CLASSIFICATION, "classifier.dense.weight"},
	{"MegaForQuestionAnswering", HEAD_QUESTION_ANSWERING, "qa_outputs.weight"},
	{"MegaForTokenClassification", HEAD_TOKEN_CLASSIFICATION, "classifier.weight"},
	{"MegaForMultipleChoice", HEAD_MULTIPLE_CHOICE, NULL},
	{NULL, HEAD_BASE, NULL},
};

/* Which of some names a key has; names end with NULL, the first is the default. */
static bool
configure_choice(const Params *params, const char *key, const char *const *names, int *choice,
				 Error *error)
{
	const char *name;

	if (!params_string(params, key, names[0], &name, error))
		return false;
	for (*choice = 0; names[*choice] != NULL; (*choice)++)
		if (strcmp(names[*choice], name) == 0)
			return true;
	return error_set(error, ERR_UNSUPPORTED, "%s \"%s\" is not supported", key, name);
}

static bool
configure_norm(MegaConfig *config, const Params *params, Error *error)
{
	static const char *const names[] = {"scalenorm", "layernorm",	  "rmsnorm",
										"batchnorm", "syncbatchnorm", NULL};
	static const NormKind kinds[] = {NORM_SCALE, NORM_LAYER, NORM_RMS, NORM_BATCH, NORM_SYNC_BATCH};
	int					  choice;

	if (!configure_choice(params, "normalization_type", names, &choice, error) ||
		!params_bool(params, "norm_affine", true, &config->norm_affine, error) ||
		!params_bool(params, "normalize_before_mega", true, &config->norm_before, error) ||
		!params_bool(params, "normalize_before_ffn", true, &config->norm_before_ffn, error))
		return false;
	config->norm = kinds[choice];
	return config->norm != NORM_LAYER || config->norm_affine ||
		   error_set(error, ERR_UNSUPPORTED,
					 "normalization_type \"layernorm\" with norm_affine false is not supported");
}

/* Chunks, and the bias by distance, whose table depends on them. */
static bool
configure_positions(MegaConfig *config, const Params *params, Model *model, Error *error)
{
	static const char *const names[] = {"rotary", "simple", NULL};
	BiasConfig				*bias = &config->bias;
	int						 choice, chunk_size, max_positions;
	bool					 chunking;

	if (!configure_choice(params, "relative_positional_bias", names, &choice, error) ||
		!params_bool(params, "use_chunking", false, &chunking, error) ||
		!params_int(params, "chunk_size", -1, -(1 << 28), 1 << 28, &chunk_size, error) ||
		!params_int(params, "max_positions", 2048, 1, 1 << 28, &max_positions, error))
		return false;
	if (chunking && chunk_size < 1)
		return error_set(error, ERR_DATA, "use_chunking is true, but chunk_size is %d", chunk_size);
	config->chunk = chunking ? chunk_size : 0;
	*bias = (BiasConfig){.rotary = choice == 0, .dim = config->shared};
	bias->positions = chunk_size < 0 ? max_positions : chunk_size;
	if (bias->rotary && (config->shared % 2 != 0 || config->hidden_size % 2 != 0))
		return error_set(error, ERR_DATA,
						 "relative_positional_bias is rotary, but shared_representation_size %d or "
						 "hidden_size %d is odd",
						 config->shared, config->hidden_size);
	if (bias->rotary && bias->positions > BIAS_READY)
		bias->positions = BIAS_READY;
	if (bias->rotary)
		return true;
	if (bias->positions < 1 || bias->positions > max_positions)
		return error_set(error, ERR_DATA,
						 "chunk_size %d is not between 1 and max_positions %d, as "
						 "relative_positional_bias simple needs",
						 chunk_size, max_positions);
	bias->table = 2 * max_positions - 1;
	if (!chunking)
		model->max_tokens = bias->positions;
	return true;
}

/* Both directions see what is to come. */
static bool
configure_decoder(const MegaConfig *config, const Params *params, Model *model, Error *error)
{
	if (!model_configure_decoder(model, params, config->shared, error))
		return false;
	if (!model->is_decoder)
		return true;
	if (config->ema.bidirectional)
		return error_set(error, ERR_DATA,
						 "config.json has is_decoder true, but bidirectional true as well");
	model->cache.value_width = config->values;
	if (config->chunk > 0) /* what a chunk has is forgotten behind it */
		model->cache.key_width = model->cache.value_width = 0;
	if (model->has_cross_attention)
		model->cache.cross_value_width = config->hidden_size;
	model->cache.state = ema_state_floats(&config->ema);
	return true;
}

static bool
mega_configure(void *out, const Params *params, Model *model, Error *error)
{
	static const char *const	   functions[] = {"softmax", "laplace", "relu2", NULL};
	static const AttentionFunction kinds[] = {ATTENTION_SOFTMAX, ATTENTION_LAPLACE,
											  ATTENTION_RELU2};
	MegaConfig					  *config = out;
	EmaConfig					  *ema = &config->ema;
	const char					  *act;
	int							   function;

	if (!params_int(params, "vocab_size", 30522, 1, 1 << 28, &config->vocab_size, error) ||
		!params_int(params, "hidden_size", 128, 1, 1 << 16, &config->hidden_size, error) ||
		!params_int(params, "num_hidden_layers", 4, 1, 1 << 12, &config->n_layers, error) ||
		!params_int(params, "intermediate_size", 256, 1, 1 << 18, &config->values, error) ||
		!params_int(params, "shared_representation_size", 64, 1, 1 << 16, &config->shared, error) ||
		!params_int(params, "nffn_hidden_size", 256, 1, 1 << 20, &config->inner, error) ||
		!params_int(params, "ema_projection_size", 16, 1, 1 << 10, &ema->states, error) ||
		!params_int(params, "truncation", 0, 1, INT_MAX, &ema->truncation, error) ||
		!params_bool(params, "bidirectional", true, &ema->bidirectional, error) ||
		!params_bool(params, "use_normalized_ffn", true, &config->has_ffn, error) ||
		!params_bool(params, "add_token_type_embeddings", false, &config->has_types, error) ||
		!params_bool(params, "add_lm_hidden_dense_layer", true, &config->has_lm_dense, error) ||
		!params_int(params, "type_vocab_size", 2, 1, 1 << 16, &config->type_vocab_size, error) ||
		!params_string(params, "activation", "silu", &act, error) ||
		!activation_from_name(act, &config->act, error) ||
		!configure_choice(params, "attention_activation", functions, &function, error) ||
		!configure_norm(config, params, error) ||
		!configure_positions(config, params, model, error))
		return false;
	config->function = kinds[function];
	ema->channels = config->hidden_size;
	model->hidden_size = model->layer_size = model->embedding_size = config->hidden_size;
	model->n_layers = config->n_layers;
	model->vocab_size = config->vocab_size;
	model->type_vocab_size = config->type_vocab_size;
	model->labels_drop_cache = model->head == HEAD_CAUSAL_LM;
	return configure_decoder(config, params, model, error) &&
		   (model->head != HEAD_QUESTION_ANSWERING || model_check_two_labels(model, error));
}

/* ---- weights ---- */

static size_t
mega_weights_size(const void *config)
{
	return sizeof(MegaWeights) +
		   (size_t) ((const MegaConfig *) config)->n_layers * sizeof(MegaLayer);
}

/* (x - mean) / sqrt(variance + eps) * weight + bias as one product and one sum. */
static bool
fold_batch_norm(Model *model, MegaNorm *norm, const float *mean, const float *variance, int n,
				Error *error)
{
	float *weight = arena_alloc(&model->arena, (size_t) n, sizeof(float));
	float *bias = arena_alloc(&model->arena, (size_t) n, sizeof(float));

	if (weight == NULL || bias == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for the norm of %d channels", n);
	for (int i = 0; i < n; i++)
	{
		double scale = 1.0 / sqrt((double) variance[i] + (double) NORM_EPS);

		if (!(variance[i] >= 0.0f))
			return error_set(error, ERR_DATA, "running_var of channel %d is %g, less than 0", i,
							 (double) variance[i]);
		if (norm->weight != NULL)
			scale *= (double) norm->weight[i];
		weight[i] = (float) scale;
		bias[i] = (float) ((norm->bias != NULL ? (double) norm->bias[i] : 0.0) -
						   (double) mean[i] * scale);
	}
	*norm = (MegaNorm){weight, bias};
	return true;
}

static bool
bind_mega_norm(Binder *binder, Model *model, MegaNorm *norm, const char *prefix)
{
	const MegaConfig *config = model->config;
	int				  n = config->hidden_size;
	bool			  batch = config->norm == NORM_BATCH || config->norm == NORM_SYNC_BATCH;
	const float		 *mean = NULL, *variance = NULL;

	if (config->norm_affine && config->norm == NORM_SCALE)
		return bind_vector(binder, &norm->weight, 1, 1, "%s.norm.norm.scalar", prefix);
	if (config->norm_affine &&
		!bind_norm(binder, &norm->weight, config->norm != NORM_RMS ? &norm->bias : NULL, n,
				   "%s.norm.norm", prefix))
		return false;
	if (!batch)
		return true;
	return bind_vector(binder, &mean, n, 1, "%s.norm.norm.running_mean", prefix) &&
		   bind_vector(binder, &variance, n, 1, "%s.norm.norm.running_var", prefix) &&
		   (variance == NULL || fold_batch_norm(model, norm, mean, variance, n, binder->error));
}

static bool
bind_self(Binder *binder, Model *model, MegaAttention *self, int i)
{
	const MegaConfig *config = model->config;
	int				  hidden = config->hidden_size, values = config->values;
	int				  shared = config->shared;
	char			  prefix[PREFIX_BYTES], part[PREFIX_BYTES + 16];

	snprintf(prefix, sizeof prefix, "layers.%d.mega_layer", i);
	if (!bind_mega_norm(binder, model, &self->norm, prefix) ||
		!bind_vector(binder, &self->qk_weight, 2, shared, "%s.qk_weight", prefix) ||
		!bind_vector(binder, &self->qk_bias, 2, shared, "%s.qk_bias", prefix) ||
		!bind_matrix(binder, &self->value, values, hidden, true, "%s.v_proj", prefix) ||
		!bind_matrix(binder, &self->mixed, 2 * hidden + shared + values, hidden, true, "%s.mx_proj",
					 prefix) ||
		!bind_matrix(binder, &self->out, hidden, values, true, "%s.h_proj", prefix))
		return false;
	snprintf(part, sizeof part, "%s.ema_gate", prefix);
	if (!bind_ema(binder, model, &self->ema, &config->ema, part))
		return false;
	snprintf(part, sizeof part, "%s.rel_pos_bias", prefix);
	return bind_position_bias(binder, model, &self->bias, &config->bias, part);
}

static bool
bind_cross(Binder *binder, Model *model, MegaCross *cross, int i)
{
	const MegaConfig *config = model->config;
	int				  hidden = config->hidden_size, shared = config->shared;
	char			  prefix[PREFIX_BYTES], part[PREFIX_BYTES + 16];

	snprintf(prefix, sizeof prefix, "layers.%d.cross_attn", i);
	snprintf(part, sizeof part, "%s.rel_pos_bias", prefix);
	return bind_mega_norm(binder, model, &cross->norm, prefix) &&
		   bind_matrix(binder, &cross->query, 2 * hidden + shared, hidden, true, "%s.q_proj",
					   prefix) &&
		   bind_matrix(binder, &cross->key, shared, hidden, true, "%s.k_proj", prefix) &&
		   bind_matrix(binder, &cross->value, hidden, hidden, true, "%s.v_proj", prefix) &&
		   bind_matrix(binder, &cross->out, hidden, hidden, true, "%s.h_proj", prefix) &&
		   bind_position_bias(binder, model, &cross->bias, &config->bias, part);
}

static bool
bind_layer(Binder *binder, Model *model, MegaLayer *layer, int i)
{
	const MegaConfig *config = model->config;
	int				  hidden = config->hidden_size, inner = config->inner;
	char			  prefix[PREFIX_BYTES];

	if (!bind_self(binder, model, &layer->self, i) ||
		(model->has_cross_attention && !bind_cross(binder, model, &layer->cross, i)))
		return false;
	if (!config->has_ffn)
		return true;
	snprintf(prefix, sizeof prefix, "layers.%d.nffn", i);
	return bind_mega_norm(binder, model, &layer->ffn_norm, prefix) &&
		   bind_matrix(binder, &layer->fc1, inner, hidden, true, "%s.fc1", prefix) &&
		   bind_matrix(binder, &layer->fc2, hidden, inner, true, "%s.fc2", prefix);
}

static bool
is_language_model(const Model *model)
{
	return model->head == HEAD_CAUSAL_LM || model->head == HEAD_MASKED_LM;
}

/* Word embeddings, and a language model's head, which has them as its weights. */
static bool
bind_words(Binder *binder, const Model *model, MegaWeights *weights)
{
	static const char words[] = "embedding_layer.word_embeddings";
	const MegaConfig *config = model->config;
	int				  n = config->vocab_size, hidden = config->hidden_size;
	bool			  causal = model->head == HEAD_CAUSAL_LM;

	if (!is_language_model(model))
		return bind_table(binder, &weights->word, n, hidden, words);
	return bind_words_and_output(binder, &weights->word, &weights->head, n, hidden,
								 model->tie_word_embeddings, words, causal ? "lm_head" : "mlm_head",
								 causal ? "lm_head.bias" : "mlm_head.bias", NULL) &&
		   (!config->has_lm_dense ||
			bind_matrix(binder, &weights->dense, hidden, hidden, true, "dense"));
}

/* The pooler, and what other classes have on top. */
static bool
bind_head(Binder *binder, const Model *model, MegaWeights *weights)
{
	int n = head_outputs(model), hidden = model->hidden_size;

	switch (model->head)
	{
		case HEAD_BASE:
			return bind_optional_matrix(binder, &weights->pooler, hidden, hidden, true,
										"pooler.dense");
		case HEAD_SEQUENCE_CLASSIFICATION:
			return bind_matrix(binder, &weights->dense, hidden, hidden, true, "classifier.dense") &&
				   bind_matrix(binder, &weights->head, n, hidden, true, "classifier.out_proj");
		case HEAD_MULTIPLE_CHOICE:
			return bind_matrix(binder, &weights->pooler, hidden, hidden, true, "pooler.dense") &&
				   bind_matrix(binder, &weights->head, n, hidden, true, "classifier");
		case HEAD_TOKEN_CLASSIFICATION:
			return bind_matrix(binder, &weights->head, n, hidden, true, "classifier");
		case HEAD_QUESTION_ANSWERING:
			return bind_matrix(binder, &weights->head, n, hidden, true, "qa_outputs");
		default:
			return true;
	}
}

static bool
mega_bind(Model *model, void *out, Binder *binder)
{
	const MegaConfig *config = model->config;
	MegaWeights		 *weights = out;

	if (!bind_words(binder, model, weights) ||
		(config->has_types &&
		 !bind_table(binder, &weights->type, config->type_vocab_size, config->hidden_size,
					 "embedding_layer.token_type_embeddings")))
		return false;
	for (int i = 0; i < config->n_layers; i++)
		if (!bind_layer(binder, model, &weights->layers[i], i))
			return false;
	if (!bind_head(binder, model, weights))
		return false;
	model->has_pooler = weights->pooler.panels != NULL;
	return true;
}

/* ---- what a batch may have ---- */

static int
cached(const Batch *batch, int sequence)
{
	return batch->caches != NULL ? batch->caches[sequence].length : 0;
}

static int
tokens_of(const Batch *batch, int sequence)
{
	return batch->offsets[sequence + 1] - batch->offsets[sequence];
}

static bool
check_mask(const char *name, const float *mask, int n_seqs, int rows, int keys, Error *error)
{
	size_t n = (size_t) n_seqs * (size_t) keys;

	if (mask == NULL)
		return true;
	if (rows > 1)
		return error_set(error, ERR_ARGUMENT,
						 "%s has %d rows for each sequence, but a MEGA model takes 1", name, rows);
	for (size_t i = 0; i < n; i++)
		if (mask[i] != 0.0f && mask[i] != 1.0f)
			return error_set(error, ERR_ARGUMENT, "%s has the value %g, which is neither 0 nor 1",
							 name, (double) mask[i]);
	return true;
}

/* Distances between tokens and encoder positions that the bias must have. */
static int
cross_distances(const Batch *batch, int sequence)
{
	int past = cached(batch, sequence);
	int places = past > 0 ? past + 2 : tokens_of(batch, sequence);

	return places > batch->source ? places : batch->source;
}

/* What Transformers can't run, where it is asked what that does. */
static bool
check_decoder(const Model *model, const Batch *batch, int i, Error *error)
{
	const MegaConfig *config = model->config;
	int				  length = tokens_of(batch, i), past = cached(batch, i);

	if (past > 0 && length != 1 && !batch->caches[i].continues)
		return error_set(error, ERR_ARGUMENT,
						 "sequence %d has %d tokens behind %d cached ones, but a MEGA model takes "
						 "one token at a time",
						 i, length, past);
	if (config->chunk > 0 && length % config->chunk != 0)
		return error_set(error, ERR_ARGUMENT,
						 "sequence %d has %d tokens, which is no multiple of chunk_size %d, as a "
						 "decoder in chunks needs",
						 i, length, config->chunk);
	if (!model->has_cross_attention)
		return true;
	if (batch->source == 0)
		return error_set(error, ERR_ARGUMENT,
						 "%s has cross-attention, so encoder_hidden_states must be given",
						 model->architecture);
	return config->bias.rotary || cross_distances(batch, i) <= config->bias.positions ||
		   error_set(error, ERR_LIMIT,
					 "sequence %d and its encoder_hidden_states span %d positions, but at most %d "
					 "are allowed",
					 i, cross_distances(batch, i), config->bias.positions);
}

static bool
mega_check(const Model *model, const Batch *batch, Error *error)
{
	bool from_forward = batch->max_keys > 0 || batch->caches != NULL;

	if (!check_mask("attention_mask", batch->attention_mask, batch->n_seqs, batch->mask_rows,
					batch->max_keys, error) ||
		!check_mask("encoder_attention_mask", batch->encoder_mask, batch->n_seqs,
					batch->encoder_mask_rows, batch->source, error))
		return false;
	for (int i = 0; from_forward && model->is_decoder && i < batch->n_seqs; i++)
		if (!check_decoder(model, batch, i, error))
			return false;
	return true;
}

/* In chunks attentions are (chunks, chunk, chunk), else (1, length, keys); cross_attentions
 * (length, keys). */
static int
mega_attention_dims(const Model *model, int length, int keys, bool cross, int *dims)
{
	const MegaConfig *config = model->config;

	if (cross)
	{
		dims[0] = length;
		dims[1] = keys;
		return 2;
	}
	dims[0] = 1;
	dims[1] = length;
	dims[2] = keys;
	if (config->chunk > 0 && length >= config->chunk)
	{
		dims[0] = divide_up(length, config->chunk);
		dims[1] = dims[2] = config->chunk;
	}
	return 3;
}

/* ---- scratch ---- */

/* Most keys of one softmax. */
static int
most_keys(const Pass *pass, const MegaConfig *config)
{
	return pass_keys(pass, config->chunk > 0 ? config->chunk : INT_MAX);
}

static size_t
thread_floats(const Pass *pass, const MegaConfig *config)
{
	size_t floats = ema_floats(&config->ema);
	size_t self = attention_scratch(most_keys(pass, config), config->shared, config->values);
	size_t cross = attention_scratch(pass->batch->source, config->shared, config->hidden_size);

	floats = self > floats ? self : floats;
	return cross > floats ? cross : floats;
}

static size_t
mega_state(MegaState *state, const Model *model, char *base, int threads)
{
	const MegaConfig *config = model->config;
	Pass			 *pass = &state->pass;
	const Batch		 *batch = pass->batch;
	int				  hidden = config->hidden_size, values = config->values;
	int				  shared = config->shared, inner = config->has_ffn ? config->inner : 0;
	int				  tokens = batch->n_tokens, widest = hidden > values ? hidden : values;
	int				  sources = batch->n_seqs * batch->source;
	int				  distances = pass_keys(pass, INT_MAX) + 1; /* see cross_distances */
	size_t			  keys = (size_t) batch->n_seqs * (size_t) batch->max_keys;
	Carver			  carver = {.base = base}, ffn, head;

	if (batch->source > distances)
		distances = batch->source;
	carve_pass(&carver, pass, widest > inner ? widest : inner, thread_floats(pass, config),
			   threads);
	state->first_item = carve(&carver, (size_t) batch->n_seqs + 1, sizeof(int32_t));
	state->seen = batch->attention_mask != NULL ? carve(&carver, keys, 1) : NULL;
	state->source_seen = batch->encoder_mask != NULL ? carve(&carver, (size_t) sources, 1) : NULL;
	state->bias_room =
		carve(&carver, position_bias_floats(&config->bias, distances), sizeof(float));
	state->x = carve_activations(&carver, tokens, hidden);
	state->normed = carve_activations(&carver, tokens, hidden);
	state->first = carve_activations(&carver, batch->n_seqs, hidden);
	state->pooled = carve_activations(&carver, batch->n_seqs, hidden);
	ffn = head = carver;
	state->averaged = carve_activations(&carver, tokens, hidden);
	state->value = carve_activations(&carver, tokens, values);
	state->mixed = carve_activations(&carver, tokens, 2 * hidden + shared + values);
	state->key = carve_activations(&carver, tokens, shared);
	state->context = carve_activations(&carver, tokens, widest);
	state->source_key = carve_activations(&carver, sources, shared);
	state->source_value = carve_activations(&carver, sources, hidden);
	state->inner = carve_activations(&ffn, tokens, inner);
	if (batch->logits != NULL)
	{
		state->chosen = carve_activations(&head, pass_rows(pass), hidden);
		state->dense = carve_activations(&head, pass_rows(pass), hidden);
	}
	ffn.used = head.used > ffn.used ? head.used : ffn.used;
	return carver.used > ffn.used ? carver.used : ffn.used;
}

static size_t
mega_workspace(const Model *model, const Batch *largest, int threads)
{
	MegaState state = {.pass = pass_begin(model, largest, NULL)};

	return mega_state(&state, model, NULL, threads);
}

/* ---- row by row ---- */

typedef struct RowStep
{
	const Pass			*pass;
	const MegaConfig	*config;
	int					 item_rows;
	const Activations	*x, *out; /* norm_rows */
	const MegaNorm		*norm;	  /* norm_rows; mix_rows: NULL for none */
	MegaState			*state;	  /* the others */
	const MegaAttention *self;	  /* self_gates */
} RowStep;

static bool
each_rows(RowStep *step, int m, void (*function)(void *argument, int item, int rank))
{
	step->item_rows = item_size(step->pass->crew, m, ROWS_LEAST);
	return each(step->pass, divide_up(m, step->item_rows), function, step);
}

/* out = norm(x), one row; out may be x. */
static void
norm_row(const RowStep *step, const float *x, float *out)
{
	const Kernels  *kernels = step->pass->kernels;
	const MegaNorm *norm = step->norm;
	int				n = step->config->hidden_size;
	float			scale;

	switch (step->config->norm)
	{
		case NORM_LAYER:
			kernels->layer_norm(x, n, 1, n, norm->weight, norm->bias, NORM_EPS, out, n);
			return;
		case NORM_SCALE:
			scale = norm->weight != NULL ? norm->weight[0] : 1.0f;
			scale /= sqrtf(kernels->dot(x, x, n) / (float) n + NORM_EPS);
			kernels->scale(x, scale, out, n);
			return;
		case NORM_RMS: /* Transformers drops what it divides by */
			if (norm->weight != NULL)
				kernels->multiply(x, norm->weight, NULL, out, n);
			else if (out != x)
				memcpy(out, x, (size_t) n * sizeof(float));
			return;
		case NORM_BATCH:
		case NORM_SYNC_BATCH:
			kernels->multiply(x, norm->weight, norm->bias, out, n);
			return;
	}
}

static void
norm_item(void *argument, int item, int rank)
{
	const RowStep *step = argument;
	int			   begin, end;

	(void) rank;
	item_range(item, step->item_rows, step->x->m, &begin, &end);
	for (int i = begin; i < end; i++)
		norm_row(step, step->x->x + i * step->x->ld, step->out->x + i * step->out->ld);
}

static bool
norm_rows(Pass *pass, const MegaConfig *config, const MegaNorm *norm, const Activations *x,
		  Activations *out)
{
	RowStep step = {.pass = pass, .config = config, .x = x, .out = out, .norm = norm};

	out->m = x->m;
	return each_rows(&step, x->m, norm_item);
}

/* r, a, g of the self-attention's mixed; then k and q from a, q where a was. */
static void
self_gates_item(void *argument, int item, int rank)
{
	const RowStep		*step = argument;
	const Kernels		*kernels = step->pass->kernels;
	const MegaConfig	*config = step->config;
	const MegaAttention *self = step->self;
	const Activations	*mixed = &step->state->mixed, *key = &step->state->key;
	int					 hidden = config->hidden_size, shared = config->shared, begin, end;

	(void) rank;
	item_range(item, step->item_rows, mixed->m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *r = mixed->x + i * mixed->ld, *a = r + hidden;

		kernels->activate(ACTIVATION_SIGMOID, r, (size_t) hidden);
		kernels->activate(ACTIVATION_SILU, a, (size_t) (shared + config->values));
		kernels->multiply(a, self->qk_weight + shared, self->qk_bias + shared, key->x + i * key->ld,
						  shared);
		kernels->multiply(a, self->qk_weight, self->qk_bias, a, shared);
	}
}

/* r and g of the cross-attention's mixed. */
static void
cross_gates_item(void *argument, int item, int rank)
{
	const RowStep	  *step = argument;
	const Kernels	  *kernels = step->pass->kernels;
	const Activations *mixed = &step->state->mixed;
	int				   hidden = step->config->hidden_size, begin, end;

	(void) rank;
	item_range(item, step->item_rows, mixed->m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *r = mixed->x + i * mixed->ld;

		kernels->activate(ACTIVATION_SIGMOID, r, (size_t) hidden);
		kernels->activate(ACTIVATION_SILU, r + hidden, (size_t) hidden);
	}
}

/* x = x + r ∘ (act(averaged) - x), with its norm where that comes last. */
static void
mix_item(void *argument, int item, int rank)
{
	const RowStep	 *step = argument;
	const Kernels	 *kernels = step->pass->kernels;
	const MegaConfig *config = step->config;
	const MegaState	 *state = step->state;
	int				  hidden = config->hidden_size, begin, end;

	(void) rank;
	item_range(item, step->item_rows, state->x.m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *x = state->x.x + i * state->x.ld;
		float *candidate = state->averaged.x + i * state->averaged.ld;

		kernels->activate(config->act, candidate, (size_t) hidden);
		kernels->mix(x, candidate, state->mixed.x + i * state->mixed.ld, x, hidden);
		if (!config->norm_before)
			norm_row(step, x, x);
	}
}

/* ---- attention ---- */

/* Blocks of queries of sequences, sequence by sequence: each item is some of them. */
typedef struct AttentionStep
{
	const Pass		 *pass;
	const MegaConfig *config;
	const MegaState	 *state;
	const float		 *bias; /* of distance 0 */
	int				  n, item_blocks;
} AttentionStep;

/* Blocks of a whole chunk of a text. */
static int
chunk_blocks(const MegaConfig *config, int length)
{
	int chunk = config->chunk > 0 && config->chunk < length ? config->chunk : length;

	return divide_up(chunk, QUERY_BLOCK);
}

/* Lays out the blocks of all sequences; the last chunk of one may have fewer than the others. */
static void
count_blocks(const Batch *batch, const MegaConfig *config, int32_t *first_item)
{
	first_item[0] = 0;
	for (int i = 0; i < batch->n_seqs; i++)
	{
		int length = tokens_of(batch, i), blocks = divide_up(length, QUERY_BLOCK);

		if (config->chunk > 0)
			blocks = length / config->chunk * chunk_blocks(config, length) +
					 divide_up(length % config->chunk, QUERY_BLOCK);
		first_item[i + 1] = first_item[i] + blocks;
	}
}

/* The sequence that a block belongs to. */
static int
sequence_of(const int32_t *first_item, int n_seqs, int item)
{
	int low = 0, high = n_seqs - 1;

	while (low < high)
	{
		int middle = (low + high + 1) / 2;

		if (first_item[middle] <= item)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static int
count_seen(const uint8_t *seen, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += seen[i];
	return count;
}

/* What scores are multiplied with, and which keys count: n of them in a chunk, seen or not.  A
 * softmax that sees none sees all. */
static void
weigh_keys(const MegaConfig *config, const uint8_t *seen, int n, AttentionArgs *args)
{
	int count = seen != NULL ? count_seen(seen, n) : n;

	args->function = config->function;
	args->key_mask = seen;
	if (config->function != ATTENTION_SOFTMAX)
		args->scale = 1.0f / (float) (count > 0 ? count : 1);
	else
	{
		args->scale = 1.0f / sqrtf((float) config->shared);
		if (count == 0)
			args->key_mask = NULL;
	}
}

/* Where the weights of some queries of a layer go. */
static void
want_weights(const AttentionStep *step, AttentionArgs *args, int sequence, int chunk, int first)
{
	const Pass	*pass = step->pass;
	const Batch *batch = pass->batch;
	int			 length = tokens_of(batch, sequence), dims[3];
	size_t		 at = (size_t) pass->layer * (size_t) batch->n_seqs + (size_t) sequence;

	if (batch->attentions == NULL)
		return;
	mega_attention_dims(pass->model, length, cached(batch, sequence) + length, false, dims);
	at = (at * (size_t) dims[0] + (size_t) chunk) * (size_t) dims[1] + (size_t) first;
	args->ldweights = dims[2];
	args->weights = batch->attentions + at * (size_t) dims[2];
}

/* In a decoder a query's scores are divided by the number of keys up to its own, which for one
 * behind cached ones is 1, unless the pass goes on. */
static void
scale_queries(const Kernels *kernels, float *q, const AttentionArgs *args, int first)
{
	for (int i = 0; i < args->n_queries; i++)
		kernels->scale(q + i * args->ldq, 1.0f / (float) (first + i + 1), q + i * args->ldq,
					   args->head_dim);
}

/* One block of queries: o ∘ g. */
static void
attend(const AttentionStep *step, int sequence, int block, float *scratch)
{
	const Pass		  *pass = step->pass;
	const MegaConfig  *config = step->config;
	const MegaState	  *state = step->state;
	const Batch		  *batch = pass->batch;
	const Activations *mixed = &state->mixed, *context = &state->context;
	int				   length = tokens_of(batch, sequence), past = cached(batch, sequence);
	int				   blocks = chunk_blocks(config, length), chunk = block / blocks;
	int				   start = config->chunk * chunk; /* in the sequence */
	int size = config->chunk > 0 && config->chunk < length - start ? config->chunk : length - start;
	int first = block % blocks * QUERY_BLOCK; /* in the chunk */
	int before = 0;							  /* cached tokens of the same pass */
	int row = batch->offsets[sequence] + start + first;
	float		  *q = mixed->x + row * mixed->ld + config->hidden_size;
	const uint8_t *seen = state->seen != NULL && past == 0
							  ? state->seen + (long) sequence * batch->max_keys + start
							  : NULL;
	AttentionArgs  args = {.q = q,
						   .k = state->key.x + (row - first) * state->key.ld,
						   .v = state->value.x + (row - first) * state->value.ld,
						   .ldq = mixed->ld,
						   .ldk = state->key.ld,
						   .ldv = state->value.ld,
						   .n_queries = size - first < QUERY_BLOCK ? size - first : QUERY_BLOCK,
						   .n_keys = past + size,
						   .head_dim = config->shared,
						   .value_dim = config->values,
						   .causal = pass->model->is_decoder,
						   .bias = step->bias - (past + first),
						   .ldbias = -1,
						   .weight_scale = 1.0f,
						   .out = context->x + row * context->ld,
						   .ldout = context->ld,
						   .scratch = scratch};

	weigh_keys(config, seen, size, &args);
	if (batch->caches != NULL && config->chunk == 0)
	{
		const Cache *cache = &batch->caches[sequence];

		cache_attend(&pass->model->cache, cache, pass->layer, 0, &args);
		before = cache->continues ? past : 0;
	}
	if (args.causal)
		args.n_keys = past + first + args.n_queries;
	if (args.causal && config->function != ATTENTION_SOFTMAX)
	{
		args.scale = 1.0f;
		scale_queries(pass->kernels, q, &args, before + first);
		if (past > 0 && state->seen != NULL) /* a step that is masked attends to nothing */
			args.weight_scale = state->seen[(long) sequence * batch->max_keys + past];
	}
	want_weights(step, &args, sequence, chunk, first);
	pass->kernels->attention(&args);
	for (int i = 0; i < args.n_queries; i++)
		pass->kernels->multiply(args.out + i * args.ldout, q + i * args.ldq + config->shared, NULL,
								args.out + i * args.ldout, config->values);
}

static void
attention_item(void *argument, int item, int rank)
{
	const AttentionStep *step = argument;
	const int32_t		*first_item = step->state->first_item;
	float				*scratch = step->pass->scratch + (size_t) rank * step->pass->scratch_stride;
	int					 begin, end;

	item_range(item, step->item_blocks, step->n, &begin, &end);
	for (int i = begin; i < end && !crew_cancelled(step->pass->crew); i++)
	{
		int sequence = sequence_of(first_item, step->pass->batch->n_seqs, i);

		attend(step, sequence, i - first_item[sequence], scratch);
	}
}

/* Keys and values behind those of the sequences' caches. */
static void
extend_caches(const Pass *pass, const MegaConfig *config, const MegaState *state)
{
	const Batch *batch = pass->batch;

	for (int i = 0; batch->caches != NULL && config->chunk == 0 && i < batch->n_seqs; i++)
	{
		const CacheLayout *layout = &pass->model->cache;
		const Cache		  *cache = &batch->caches[i];
		CacheLayer		   layer = cache_layer(layout, cache, pass->layer);

		for (int t = batch->offsets[i], at = cached(batch, i); t < batch->offsets[i + 1]; t++, at++)
			cache_put(layout, cache, &layer, 0, at, state->key.x + t * state->key.ld,
					  state->value.x + t * state->value.ld);
	}
}

/* Numbers of attentions in a layer. */
static size_t
attentions_of_layer(const Pass *pass)
{
	const Batch *batch = pass->batch;
	int			 length = tokens_of(batch, 0), dims[3];

	mega_attention_dims(pass->model, length, cached(batch, 0) + length, false, dims);
	return (size_t) batch->n_seqs * (size_t) dims[0] * (size_t) dims[1] * (size_t) dims[2];
}

/* o ∘ g of the self-attention. */
static bool
self_attention(Pass *pass, const MegaConfig *config, const MegaAttention *self, MegaState *state)
{
	const Batch	 *batch = pass->batch;
	size_t		  weights = batch->attentions != NULL ? attentions_of_layer(pass) : 0;
	AttentionStep step = {.pass = pass, .config = config, .state = state};

	if (weights > 0) /* what is behind a causal limit, or the last chunk's end */
		memset(batch->attentions + (size_t) pass->layer * weights, 0, weights * sizeof(float));
	extend_caches(pass, config, state);
	step.bias =
		position_bias(&config->bias, &self->bias, most_keys(pass, config), state->bias_room);
	step.n = state->first_item[batch->n_seqs];
	step.item_blocks = item_size(pass->crew, step.n, 1);
	state->context.m = state->x.m;
	state->context.n = config->values;
	return each(pass, divide_up(step.n, step.item_blocks), attention_item, &step);
}

/* ---- cross-attention ---- */

/* o ∘ g of one sequence.  Behind cached tokens the bias is that of one position too far. */
static void
attend_source(const AttentionStep *step, int sequence, float *scratch)
{
	const Pass		  *pass = step->pass;
	const MegaConfig  *config = step->config;
	const MegaState	  *state = step->state;
	const Batch		  *batch = pass->batch;
	const Activations *mixed = &state->mixed, *context = &state->context;
	int				   row = batch->offsets[sequence], past = cached(batch, sequence);
	int				   source = batch->source, hidden = config->hidden_size;
	float			  *r = mixed->x + row * mixed->ld;
	const uint8_t	  *seen =
		state->source_seen != NULL ? state->source_seen + (long) sequence * source : NULL;
	AttentionArgs args = {
		.q = r + 2 * hidden,
		.k = state->source_key.x + (long) sequence * source * state->source_key.ld,
		.v = state->source_value.x + (long) sequence * source * state->source_value.ld,
		.ldq = mixed->ld,
		.ldk = state->source_key.ld,
		.ldv = state->source_value.ld,
		.n_queries = tokens_of(batch, sequence),
		.n_keys = source,
		.head_dim = config->shared,
		.value_dim = hidden,
		.bias = step->bias - (past > 0 ? past + 1 : 0),
		.ldbias = -1,
		.weight_scale = 1.0f,
		.out = context->x + row * context->ld,
		.ldout = context->ld,
		.scratch = scratch};

	weigh_keys(config, seen, source, &args);
	if (batch->caches != NULL)
	{
		CacheLayer layer = cache_layer(&pass->model->cache, &batch->caches[sequence], pass->layer);

		args.k = layer.cross_keys;
		args.v = layer.cross_values;
		args.ldk = config->shared;
		args.ldv = hidden;
	}
	if (batch->cross_attentions != NULL)
	{
		size_t at = (size_t) pass->layer * (size_t) batch->n_tokens + (size_t) row;

		args.weights = batch->cross_attentions + at * (size_t) source;
		args.ldweights = source;
	}
	pass->kernels->attention(&args);
	for (int i = 0; i < args.n_queries; i++)
		pass->kernels->multiply(args.out + i * args.ldout, r + i * mixed->ld + hidden, NULL,
								args.out + i * args.ldout, hidden);
}

static void
source_item(void *argument, int item, int rank)
{
	const AttentionStep *step = argument;

	attend_source(step, item, step->pass->scratch + (size_t) rank * step->pass->scratch_stride);
}

/* Keys and values of the encoder's states, unless the sequences' caches have them. */
static bool
source_keys(Pass *pass, const MegaConfig *config, const MegaCross *cross, MegaState *state)
{
	const Batch *batch = pass->batch;
	Activations	 states = {.x = (float *) batch->encoder_states,
						   .ld = config->hidden_size,
						   .m = batch->n_seqs * batch->source,
						   .n = config->hidden_size};
	bool		 complete = batch->caches != NULL;

	for (int i = 0; complete && i < batch->n_seqs; i++)
		complete = batch->caches[i].has_source;
	if (complete)
		return true;
	if (!linear(pass, &cross->key, &states, &state->source_key, ACTIVATION_NONE, NULL) ||
		!linear(pass, &cross->value, &states, &state->source_value, config->act, NULL))
		return false;
	for (int i = 0; batch->caches != NULL && i < states.m; i++)
	{
		const Cache *cache = &batch->caches[i / batch->source];
		CacheLayer	 layer = cache_layer(&pass->model->cache, cache, pass->layer);
		long		 at = i % batch->source;

		if (cache->has_source)
			continue;
		memcpy(layer.cross_keys + at * config->shared,
			   state->source_key.x + i * state->source_key.ld,
			   (size_t) config->shared * sizeof(float));
		memcpy(layer.cross_values + at * config->hidden_size,
			   state->source_value.x + i * state->source_value.ld,
			   (size_t) config->hidden_size * sizeof(float));
	}
	return true;
}

/* o ∘ g of the cross-attention. */
static bool
cross_attention(Pass *pass, const MegaConfig *config, const MegaCross *cross, MegaState *state)
{
	const Batch	 *batch = pass->batch;
	AttentionStep step = {.pass = pass, .config = config, .state = state};
	int			  distances = 1;

	for (int i = 0; i < batch->n_seqs; i++)
		if (cross_distances(batch, i) > distances)
			distances = cross_distances(batch, i);
	step.bias = position_bias(&config->bias, &cross->bias, distances, state->bias_room);
	state->context.m = state->x.m;
	state->context.n = config->hidden_size;
	return each(pass, batch->n_seqs, source_item, &step);
}

/* ---- layers ---- */

static bool
self_block(Pass *pass, const MegaConfig *config, const MegaAttention *self, MegaState *state)
{
	Activations *x = &state->x, *h = config->norm_before ? &state->normed : x;
	Activations	 candidate = state->mixed; /* c */
	RowStep		 step = {
			 .pass = pass, .config = config, .norm = &self->norm, .state = state, .self = self};

	candidate.x += config->hidden_size + config->shared + config->values;
	candidate.n = config->hidden_size;
	return (!config->norm_before || norm_rows(pass, config, &self->norm, x, h)) &&
		   linear(pass, &self->value, h, &state->value, config->act, NULL) &&
		   ema(pass, &config->ema, &self->ema, h, &state->averaged) &&
		   linear(pass, &self->mixed, &state->averaged, &state->mixed, ACTIVATION_NONE, NULL) &&
		   each_rows(&step, x->m, self_gates_item) && self_attention(pass, config, self, state) &&
		   linear(pass, &self->out, &state->context, &state->averaged, ACTIVATION_NONE,
				  &candidate) &&
		   each_rows(&step, x->m, mix_item);
}

static bool
cross_block(Pass *pass, const MegaConfig *config, const MegaCross *cross, MegaState *state)
{
	Activations *x = &state->x, *h = config->norm_before ? &state->normed : x;
	RowStep		 step = {.pass = pass, .config = config, .norm = &cross->norm, .state = state};

	return (!config->norm_before || norm_rows(pass, config, &cross->norm, x, h)) &&
		   linear(pass, &cross->query, h, &state->mixed, ACTIVATION_NONE, NULL) &&
		   source_keys(pass, config, cross, state) && each_rows(&step, x->m, cross_gates_item) &&
		   cross_attention(pass, config, cross, state) &&
		   linear(pass, &cross->out, &state->context, &state->averaged, ACTIVATION_NONE, NULL) &&
		   each_rows(&step, x->m, mix_item);
}

static bool
ffn_block(Pass *pass, const MegaConfig *config, const MegaLayer *layer, MegaState *state)
{
	Activations *x = &state->x, *h = config->norm_before_ffn ? &state->normed : x;

	return (!config->norm_before_ffn || norm_rows(pass, config, &layer->ffn_norm, x, h)) &&
		   linear(pass, &layer->fc1, h, &state->inner, config->act, NULL) &&
		   linear(pass, &layer->fc2, &state->inner, x, ACTIVATION_NONE, x) &&
		   (config->norm_before_ffn || norm_rows(pass, config, &layer->ffn_norm, x, x));
}

static bool
mega_layers(Pass *pass, const MegaConfig *config, const MegaLayer *layers, MegaState *state)
{
	bool crossed = pass->model->has_cross_attention && pass->batch->source > 0;

	for (pass->layer = 0; pass->layer < config->n_layers; pass->layer++)
	{
		const MegaLayer *layer = &layers[pass->layer];

		if (!capture_hidden_states(pass, &state->x, pass->layer) ||
			!self_block(pass, config, &layer->self, state) ||
			(crossed && !cross_block(pass, config, &layer->cross, state)) ||
			(config->has_ffn && !ffn_block(pass, config, layer, state)))
			return false;
	}
	return capture_hidden_states(pass, &state->x, config->n_layers);
}

/* ---- heads ---- */

static bool
mega_head(Pass *pass, const MegaConfig *config, const MegaWeights *weights, MegaState *state)
{
	Activations *x = &state->x;

	switch (pass->model->head)
	{
		case HEAD_CAUSAL_LM:
		case HEAD_MASKED_LM:
			if (config->has_lm_dense)
				return head_two_layers(pass, &weights->dense, ACTIVATION_TANH, &weights->head,
									   head_rows(pass->batch, x, &state->chosen), &state->dense);
			return head_tokens(pass, &weights->head, x, &state->chosen);
		case HEAD_TOKEN_CLASSIFICATION:
		case HEAD_QUESTION_ANSWERING:
			return head_tokens(pass, &weights->head, x, &state->chosen);
		case HEAD_SEQUENCE_CLASSIFICATION:
			gather_first(pass, x, &state->first);
			return head_two_layers(pass, &weights->dense, ACTIVATION_TANH, &weights->head,
								   &state->first, &state->pooled);
		case HEAD_MULTIPLE_CHOICE:
			return pooler(pass, &weights->pooler, x, &state->first, &state->pooled) &&
				   head_linear(pass, &weights->head, &state->pooled, pass->batch->logits);
		default:
			return true;
	}
}

static void
see(const float *mask, size_t n, uint8_t *seen)
{
	for (size_t i = 0; mask != NULL && i < n; i++)
		seen[i] = mask[i] != 0.0f;
}

static bool
mega_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
			 Output *output)
{
	const MegaConfig  *config = model->config;
	const MegaWeights *weights = model->weights;
	MegaState		   state = {.pass = pass_begin(model, batch, crew)};
	Pass			  *pass = &state.pass;
	EmbeddingPart	   parts[2] = {word_part(batch, &weights->word),
								   {&weights->type, batch->token_type_ids, NULL}};
	bool			   pooled = batch->pooler && model->has_pooler;

	mega_state(&state, model, workspace->base, crew->size);
	see(batch->attention_mask, (size_t) batch->n_seqs * (size_t) batch->max_keys, state.seen);
	see(batch->encoder_mask, (size_t) batch->n_seqs * (size_t) batch->source, state.source_seen);
	count_blocks(batch, config, state.first_item);
	if (!embeddings(pass, parts, config->has_types ? 2 : 1, &state.x) ||
		!mega_layers(pass, config, weights->layers, &state) ||
		!mega_head(pass, config, weights, &state) ||
		(pooled && !pooler(pass, &weights->pooler, &state.x, &state.first, &state.pooled)))
		return false;
	*output = (Output){
		.hidden_states = state.x.x, .ld = state.x.ld, .pooled = pooled ? state.pooled.x : NULL};
	return true;
}

const Family family_mega = {
	.model_type = "mega",
	.base_prefix = "mega.",
	.defaults = "{\"bos_token_id\": 0, \"pad_token_id\": 1, \"eos_token_id\": 2, "
				"\"vocab_size\": 30522, \"hidden_size\": 128, \"num_hidden_layers\": 4, "
				"\"activation\": \"silu\", \"attention_activation\": \"softmax\", "
				"\"intermediate_size\": 256, \"ema_projection_size\": 16, "
				"\"bidirectional\": true, \"shared_representation_size\": 64, "
				"\"use_chunking\": false, \"chunk_size\": -1, \"truncation\": null, "
				"\"normalize_before_mega\": true, \"normalization_type\": \"scalenorm\", "
				"\"norm_affine\": true, \"dropout_prob\": 0.1, "
				"\"hidden_dropout_prob\": 0.1, \"attention_probs_dropout_prob\": 0.1, "
				"\"use_feature_dropout\": false, \"use_normalized_ffn\": true, "
				"\"nffn_hidden_size\": 256, \"normalize_before_ffn\": true, "
				"\"nffn_activation_dropout_prob\": 0.1, \"max_positions\": 2048, "
				"\"add_token_type_embeddings\": false, \"type_vocab_size\": 2, "
				"\"initializer_range\": 0.02, \"ema_delta_alpha_range\": 0.2, "
				"\"ema_beta_range\": 0.02, \"ema_gamma_omega_range\": 1.0, "
				"\"relative_positional_bias\": \"rotary\", \"use_cache\": true, "
				"\"classifier_dropout\": null, \"add_lm_hidden_dense_layer\": true, "
				"\"num_attention_heads\": 1}",
	.architectures = architectures,
	.config_size = sizeof(MegaConfig),
	.configure = mega_configure,
	.weights_size = mega_weights_size,
	.bind = mega_bind,
	.check = mega_check,
	.attention_dims = mega_attention_dims,
	.workspace = mega_workspace,
	.forward = mega_forward,
};
