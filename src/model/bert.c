/*
 * bert.c: BERT (Devlin et al. 2018), model type "bert".
 *
 *	 x = LN(word[id] + type[t] + position[p])
 *	 layer:	x = LN(x + Wo · attention(x) + bo);  x = LN(x + W2 · act(W1 · x + b1) + b2)
 *	 pooled = tanh(Wp · x[first token] + bp)
 *
 * A decoder's attention is causal; with cross-attention to an encoder's states a layer has a second
 * block of that kind behind the first.  Sentence-transformers' checkpoints may come without the pooler.
 */
#include <limits.h>
#include <string.h>

#include "model/attention.h"
#include "model/head.h"

typedef struct BertConfig
{
	int				hidden_size, n_layers, intermediate_size;
	int				vocab_size, type_vocab_size, max_positions;
	float			layer_norm_eps;
	Activation		hidden_act;
	bool			absolute_positions; /* position_embedding_type */
	AttentionConfig attention;
} BertConfig;

/* Attention to an encoder's states. */
typedef struct BertCrossAttention
{
	Matrix query;	  /* (hidden, hidden) */
	Matrix key_value; /* (2 hidden, hidden) */
	Matrix output;	  /* (hidden, hidden) */
	Norm   norm;
} BertCrossAttention;

typedef struct BertLayer
{
	Matrix			   query_key_value; /* (3 hidden, hidden) */
	Table			   distance; /* (2 max_positions - 1, head_dim), with relative positions */
	Matrix			   attention_output; /* (hidden, hidden) */
	Norm			   attention_norm;
	BertCrossAttention cross;		 /* of a decoder that has it */
	Matrix			   intermediate; /* (intermediate, hidden) */
	Matrix			   output;		 /* (hidden, intermediate) */
	Norm			   output_norm;
} BertLayer;

typedef struct BertWeights
{
	Table		  word;		/* (vocab, hidden) */
	Table		  position; /* (max_positions, hidden), with absolute positions */
	Table		  type;		/* (type_vocab, hidden) */
	Norm		  norm;
	Matrix		  pooler;	  /* (hidden, hidden); without panels: none */
	TransformHead lm;		  /* of language models */
	Matrix		  classifier; /* (labels, hidden): of pooled, or of x */
	BertLayer	  layers[];	  /* (n_layers) */
} BertWeights;

typedef struct BertState
{
	Pass		pass;
	int32_t	   *positions;	   /* (tokens) */
	Activations hidden_states; /* (tokens, hidden) */
	Activations qkv;		   /* (tokens, 3 hidden) */
	Activations context;	   /* (tokens, hidden) */
	Activations encoder;	   /* (encoder positions, 2 hidden): keys and values */
	Activations intermediate;  /* (tokens, intermediate), where those three were */
	Activations chosen;		   /* (logit rows, hidden), likewise */
	Activations transformed;   /* (logit rows, hidden), likewise */
	Activations first;		   /* (seqs, hidden) */
	Activations pooled;		   /* (seqs, hidden) */
} BertState;

/* ---- config ---- */

static const Architecture architectures[] = {
	{"BertModel", HEAD_BASE, NULL},
	{"BertForPreTraining", HEAD_PRE_TRAINING, "cls.seq_relationship.weight"},
	{"BertForMaskedLM", HEAD_MASKED_LM, "cls.predictions.transform.dense.weight"},
	{"BertLMHeadModel", HEAD_CAUSAL_LM, NULL},
	{"BertForQuestionAnswering", HEAD_QUESTION_ANSWERING, "qa_outputs.weight"},
	{"BertForSequenceClassification", HEAD_SEQUENCE_CLASSIFICATION, "classifier.weight"},
	{"BertForMultipleChoice", HEAD_MULTIPLE_CHOICE, NULL},
	{"BertForTokenClassification", HEAD_TOKEN_CLASSIFICATION, NULL},
	{"BertForNextSentencePrediction", HEAD_NEXT_SENTENCE, NULL},
	{NULL, HEAD_BASE, NULL},
};

static bool
configure_positions(BertConfig *config, const Params *params, Error *error)
{
	const char *type;

	if (!params_string(params, "position_embedding_type", "absolute", &type, error))
		return false;
	config->absolute_positions = strcmp(type, "absolute") == 0;
	config->attention.max_distance = config->max_positions;
	if (config->absolute_positions)
		config->attention.relative = RELATIVE_NONE;
	else if (strcmp(type, "relative_key") == 0)
		config->attention.relative = RELATIVE_KEY;
	else if (strcmp(type, "relative_key_query") == 0)
		config->attention.relative = RELATIVE_KEY_QUERY;
	else
		return error_set(error, ERR_UNSUPPORTED, "position_embedding_type \"%s\" is not supported",
						 type);
	return true;
}

static bool
bert_configure(void *out, const Params *params, Model *model, Error *error)
{
	BertConfig *config = out;
	const char *act;
	double		eps;

	if (!params_int(params, "vocab_size", 30522, 1, 1 << 28, &config->vocab_size, error) ||
		!params_int(params, "hidden_size", 768, 1, 1 << 16, &config->hidden_size, error) ||
		!params_int(params, "num_hidden_layers", 12, 1, 1 << 12, &config->n_layers, error) ||
		!params_int(params, "num_attention_heads", 12, 1, 1 << 16, &config->attention.heads,
					error) ||
		!params_int(params, "intermediate_size", 3072, 1, 1 << 20, &config->intermediate_size,
					error) ||
		!params_int(params, "max_position_embeddings", 512, 1, 1 << 20, &config->max_positions,
					error) ||
		!params_int(params, "type_vocab_size", 2, 1, 1 << 16, &config->type_vocab_size, error) ||
		!params_double(params, "layer_norm_eps", 1e-12, &eps, error) ||
		!params_string(params, "hidden_act", "gelu", &act, error) ||
		!activation_from_name(act, &config->hidden_act, error) ||
		!configure_positions(config, params, error))
		return false;
	if (config->hidden_size % config->attention.heads != 0)
		return error_set(error, ERR_DATA,
						 "hidden_size %d is not a multiple of num_attention_heads %d",
						 config->hidden_size, config->attention.heads);
	if (!(eps >= 0.0 && eps <= 1.0))
		return error_set(error, ERR_DATA, "layer_norm_eps %g is not between 0 and 1", eps);
	config->layer_norm_eps = (float) eps;
	config->attention.head_dim = config->hidden_size / config->attention.heads;
	model->hidden_size = model->layer_size = model->embedding_size = config->hidden_size;
	model->n_layers = config->n_layers;
	model->vocab_size = config->vocab_size;
	model->type_vocab_size = config->type_vocab_size;
	model->max_tokens = config->max_positions;
	model->n_heads = config->attention.heads;
	model->n_positions = config->absolute_positions ? config->max_positions : 0;
	model->has_pair_logits = model->head == HEAD_PRE_TRAINING;
	model->labels_drop_cache = model->head == HEAD_CAUSAL_LM;
	if (model->head == HEAD_QUESTION_ANSWERING && !model_check_two_labels(model, error))
		return false;
	if (!model_configure_decoder(model, params, config->hidden_size, error))
		return false;
	config->attention.causal = model->is_decoder;
	return true;
}

/* ---- weights ---- */

static size_t
bert_weights_size(const void *config)
{
	return sizeof(BertWeights) +
		   (size_t) ((const BertConfig *) config)->n_layers * sizeof(BertLayer);
}

static bool
bind_cross_attention(BertCrossAttention *cross, int hidden, int i, Binder *binder)
{
	static const char *const kv[] = {"key", "value"};

	return bind_matrix(binder, &cross->query, hidden, hidden, true,
					   "encoder.layer.%d.crossattention.self.query", i) &&
		   bind_stacked(binder, &cross->key_value, hidden, hidden, true, "key_value", kv, 2,
						"encoder.layer.%d.crossattention.self", i) &&
		   bind_matrix(binder, &cross->output, hidden, hidden, true,
					   "encoder.layer.%d.crossattention.output.dense", i) &&
		   bind_norm(binder, &cross->norm.weight, &cross->norm.bias, hidden,
					 "encoder.layer.%d.crossattention.output.LayerNorm", i);
}

static bool
bind_layer(BertLayer *layer, const BertConfig *config, int i, Binder *binder)
{
	static const char *const qkv[] = {"query", "key", "value"};
	int						 hidden = config->hidden_size, inner = config->intermediate_size;

	return bind_stacked(binder, &layer->query_key_value, hidden, hidden, true, "query_key_value",
						qkv, 3, "encoder.layer.%d.attention.self", i) &&
		   (config->attention.relative == RELATIVE_NONE ||
			bind_table(binder, &layer->distance, 2 * config->max_positions - 1,
					   config->attention.head_dim,
					   "encoder.layer.%d.attention.self.distance_embedding", i)) &&
		   bind_matrix(binder, &layer->attention_output, hidden, hidden, true,
					   "encoder.layer.%d.attention.output.dense", i) &&
		   bind_norm(binder, &layer->attention_norm.weight, &layer->attention_norm.bias, hidden,
					 "encoder.layer.%d.attention.output.LayerNorm", i) &&
		   bind_matrix(binder, &layer->intermediate, inner, hidden, true,
					   "encoder.layer.%d.intermediate.dense", i) &&
		   bind_matrix(binder, &layer->output, hidden, inner, true, "encoder.layer.%d.output.dense",
					   i) &&
		   bind_norm(binder, &layer->output_norm.weight, &layer->output_norm.bias, hidden,
					 "encoder.layer.%d.output.LayerNorm", i);
}

static bool
is_language_model(Head head)
{
	return head == HEAD_MASKED_LM || head == HEAD_CAUSAL_LM || head == HEAD_PRE_TRAINING;
}

/* Heads on the pooled vector. */
static bool
takes_pooled(Head head)
{
	return head == HEAD_SEQUENCE_CLASSIFICATION || head == HEAD_MULTIPLE_CHOICE ||
		   head == HEAD_NEXT_SENTENCE || head == HEAD_PRE_TRAINING;
}

static bool
bind_words(const Model *model, BertWeights *weights, Binder *binder)
{
	const BertConfig *config = model->config;
	TransformHead	 *lm = &weights->lm;
	int				  hidden = config->hidden_size, vocab = config->vocab_size;

	lm->act = config->hidden_act;
	lm->epsilon = config->layer_norm_eps;
	if (!is_language_model(model->head))
		return bind_table(binder, &weights->word, vocab, hidden, "embeddings.word_embeddings");
	return bind_words_and_output(binder, &weights->word, &lm->decoder, vocab, hidden,
								 model->tie_word_embeddings, "embeddings.word_embeddings",
								 "cls.predictions.decoder", "cls.predictions.bias",
								 "cls.predictions.decoder.bias") &&
		   bind_matrix(binder, &lm->transform, hidden, hidden, true,
					   "cls.predictions.transform.dense") &&
		   bind_norm(binder, &lm->norm.weight, &lm->norm.bias, hidden,
					 "cls.predictions.transform.LayerNorm");
}

static bool
bind_pooler(Model *model, BertWeights *weights, int hidden, Binder *binder)
{
	if (takes_pooled(model->head))
	{
		if (!bind_matrix(binder, &weights->pooler, hidden, hidden, true, "pooler.dense"))
			return false;
	}
	else if (model->head == HEAD_BASE &&
			 !bind_optional_matrix(binder, &weights->pooler, hidden, hidden, true, "pooler.dense"))
		return false;
	model->has_pooler = weights->pooler.panels != NULL;
	return true;
}

/* The last layer of a head but a language model's. */
static bool
bind_classifier(const Model *model, BertWeights *weights, int hidden, Binder *binder)
{
	switch (model->head)
	{
		case HEAD_BASE:
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			return true;
		case HEAD_QUESTION_ANSWERING:
			return bind_matrix(binder, &weights->classifier, 2, hidden, true, "qa_outputs");
		case HEAD_NEXT_SENTENCE:
		case HEAD_PRE_TRAINING:
			return bind_matrix(binder, &weights->classifier, 2, hidden, true,
							   "cls.seq_relationship");
		default:
			return bind_matrix(binder, &weights->classifier, head_outputs(model), hidden, true,
							   "classifier");
	}
}

static bool
bert_bind(Model *model, void *out, Binder *binder)
{
	const BertConfig *config = model->config;
	BertWeights		 *weights = out;
	int				  hidden = config->hidden_size;

	if (!bind_words(model, weights, binder) ||
		(config->absolute_positions &&
		 !bind_table(binder, &weights->position, config->max_positions, hidden,
					 "embeddings.position_embeddings")) ||
		!bind_table(binder, &weights->type, config->type_vocab_size, hidden,
					"embeddings.token_type_embeddings") ||
		!bind_norm(binder, &weights->norm.weight, &weights->norm.bias, hidden,
				   "embeddings.LayerNorm"))
		return false;
	for (int i = 0; i < config->n_layers; i++)
		if (!bind_layer(&weights->layers[i], config, i, binder) ||
			(model->has_cross_attention &&
			 !bind_cross_attention(&weights->layers[i].cross, hidden, i, binder)))
			return false;
	return bind_pooler(model, weights, hidden, binder) &&
		   bind_classifier(model, weights, hidden, binder);
}

/* ---- computing ---- */

static size_t
most_used(const Carver *a, const Carver *b, const Carver *c)
{
	size_t most = a->used > b->used ? a->used : b->used;

	return c->used > most ? c->used : most;
}

/* Lays out a pass over a workspace, or counts its bytes when base is NULL. */
static size_t
bert_state(BertState *state, const Model *model, char *base, int threads)
{
	const BertConfig *config = model->config;
	const Batch		 *batch = state->pass.batch;
	int				  hidden = config->hidden_size, inner = config->intermediate_size;
	int				  tokens = batch->n_tokens, keys = pass_keys(&state->pass, model->max_tokens);
	Carver			  carver = {.base = base}, feed_forward, head;

	carve_pass(&carver, &state->pass, hidden > inner ? hidden : inner,
			   attention_floats(&config->attention, keys), threads);
	state->positions = carve(&carver, (size_t) tokens, sizeof(int32_t));
	state->hidden_states = carve_activations(&carver, tokens, hidden);
	state->first = carve_activations(&carver, batch->n_seqs, hidden);
	state->pooled = carve_activations(&carver, batch->n_seqs, hidden);
	feed_forward = head = carver;
	state->qkv = carve_activations(&carver, tokens, 3 * hidden);
	state->context = carve_activations(&carver, tokens, hidden);
	state->encoder = carve_activations(&carver, batch->n_seqs * batch->source, 2 * hidden);
	state->intermediate = carve_activations(&feed_forward, tokens, inner);
	if (batch->logits != NULL)
	{
		state->chosen = carve_activations(&head, logit_rows(batch), hidden);
		state->transformed = carve_activations(&head, logit_rows(batch), hidden);
	}
	return most_used(&carver, &feed_forward, &head);
}

static size_t
bert_workspace(const Model *model, const Batch *largest, int threads)
{
	BertState state = {.pass = pass_begin(model, largest, NULL)};

	return bert_state(&state, model, NULL, threads);
}

/* x = LN(x + Wo · attention(x; encoder_states) + bo) */
static bool
bert_cross_attention(Pass *pass, const BertConfig *config, const BertLayer *layer, BertState *state)
{
	const BertCrossAttention *cross = &layer->cross;
	Activations				 *x = &state->hidden_states, query = state->qkv;

	query.n = config->hidden_size;
	return linear(pass, &cross->query, x, &query, ACTIVATION_NONE, NULL) &&
		   cross_attention(pass, &config->attention, &query, &cross->key_value, &state->encoder,
						   &state->context) &&
		   linear(pass, &cross->output, &state->context, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &cross->norm, config->layer_norm_eps, &layer->intermediate);
}

/* next is the matrix behind the layer, NULL behind the last. */
static bool
bert_layer(Pass *pass, const BertConfig *config, const BertLayer *layer, const Matrix *next,
		   BertState *state)
{
	Activations *x = &state->hidden_states;
	bool		 crossed = pass->batch->encoder_states != NULL;

	return linear(pass, &layer->query_key_value, x, &state->qkv, ACTIVATION_NONE, NULL) &&
		   attention(pass, &config->attention, &state->qkv, &layer->distance, &state->context) &&
		   linear(pass, &layer->attention_output, &state->context, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &layer->attention_norm, config->layer_norm_eps,
					  crossed ? &layer->cross.query : &layer->intermediate) &&
		   (!crossed || bert_cross_attention(pass, config, layer, state)) &&
		   linear(pass, &layer->intermediate, x, &state->intermediate, config->hidden_act, NULL) &&
		   linear(pass, &layer->output, &state->intermediate, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &layer->output_norm, config->layer_norm_eps, next);
}

/* Logits, as far as the batch wants them. */
static bool
bert_head(Pass *pass, const BertWeights *weights, BertState *state)
{
	const Batch *batch = pass->batch;
	Activations *x = &state->hidden_states;

	switch (pass->model->head)
	{
		case HEAD_BASE:
			return true;
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			return head_transform(pass, &weights->lm, x, &state->chosen, &state->transformed);
		case HEAD_PRE_TRAINING:
			return head_transform(pass, &weights->lm, x, &state->chosen, &state->transformed) &&
				   head_linear(pass, &weights->classifier, &state->pooled, batch->pair_logits);
		case HEAD_TOKEN_CLASSIFICATION:
		case HEAD_QUESTION_ANSWERING:
			return head_tokens(pass, &weights->classifier, x, &state->chosen);
		case HEAD_SEQUENCE_CLASSIFICATION:
		case HEAD_MULTIPLE_CHOICE:
		case HEAD_NEXT_SENTENCE:
			return head_linear(pass, &weights->classifier, &state->pooled, batch->logits);
	}
	return true;
}

static bool
bert_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
			 Output *output)
{
	const BertConfig  *config = model->config;
	const BertWeights *weights = model->weights;
	const BertLayer	  *layers = weights->layers;
	BertState		   state = {.pass = pass_begin(model, batch, crew)};
	Pass			  *pass = &state.pass;
	Activations		  *x = &state.hidden_states;
	EmbeddingPart	   parts[3] = {word_part(batch, &weights->word),
								   {&weights->type, batch->token_type_ids, NULL},
								   {&weights->position, batch->position_ids, NULL}};
	bool			   pooled = model->has_pooler &&
				  (batch->pooler || (batch->logits != NULL && takes_pooled(model->head)));

	bert_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, false);
	if (config->absolute_positions && batch->position_ids == NULL)
	{
		sequence_positions(batch, state.positions);
		parts[2].index = state.positions;
	}
	if (!embeddings(pass, parts, config->absolute_positions ? 3 : 2, x) ||
		!layer_norm(pass, x, x, &weights->norm, config->layer_norm_eps,
					&layers[0].query_key_value) ||
		!capture_hidden_states(pass, x, 0))
		return false;
	for (pass->layer = 0; pass->layer < config->n_layers; pass->layer++)
	{
		const BertLayer *layer = &layers[pass->layer];
		bool			 last = pass->layer + 1 == config->n_layers;

		if (!bert_layer(pass, config, layer, last ? NULL : &layer[1].query_key_value, &state) ||
			!capture_hidden_states(pass, x, pass->layer + 1))
			return false;
	}
	if (pooled && !pooler(pass, &weights->pooler, x, &state.first, &state.pooled))
		return false;
	*output =
		(Output){.hidden_states = x->x, .ld = x->ld, .pooled = pooled ? state.pooled.x : NULL};
	return bert_head(pass, weights, &state);
}

const Family family_bert = {
	.model_type = "bert",
	.base_prefix = "bert.",
	.architectures = architectures,
	.config_size = sizeof(BertConfig),
	.configure = bert_configure,
	.weights_size = bert_weights_size,
	.bind = bert_bind,
	.workspace = bert_workspace,
	.forward = bert_forward,
};
