/*
 * roformer.c: RoFormer (Su et al. 2021), model type "roformer".
 *
 *	 x = LN(word[id] + type[t]);  x = Wp · x + bp where the embeddings have another width
 *	 layer:	BERT's (model/encoder.h), with attention between queries and keys that are turned by
 *			their positions: pair i of position p by the angle p / 10000^(2 i / head_dim)
 *
 * There is no pooler.  Multiple choice reads a summary of all positions, padding included.
 */
#include <math.h>
#include <string.h>

#include "math/precise.h"
#include "model/encoder.h"
#include "model/head.h"

/* What multiple choice makes of a sequence's states. */
typedef enum Summary
{
	SUMMARY_LAST,
	SUMMARY_FIRST,
	SUMMARY_MEAN
} Summary;

typedef struct RoFormerConfig
{
	EncoderConfig encoder;
	int			  embedding_size;
	Summary		  summary;
	bool		  summary_projection;
	Activation	  summary_act;
} RoFormerConfig;

typedef struct RoFormerWeights
{
	Table  word; /* (vocab, embedding) */
	Table  type; /* (type_vocab, embedding) */
	Norm   norm;
	Matrix project;		   /* (hidden, embedding), where these differ */
	Table  positions;	   /* (max_positions, head_dim) sines, then cosines of each pair's angle */
	TransformHead lm;	   /* of language models */
	Matrix		  summary; /* (hidden, hidden), with summary_projection */
	Matrix		  dense;   /* (hidden, hidden) of a sequence classification */
	Matrix		  classifier; /* (outputs, hidden) */
	EncoderLayer  layers[];	  /* (n_layers) */
} RoFormerWeights;

typedef struct RoFormerState
{
	EncoderState encoder;
	Activations	 embedded;	  /* (tokens, embedding), where that is not hidden */
	Activations	 chosen;	  /* (logit rows, hidden) */
	Activations	 transformed; /* (logit rows, embedding) */
	Activations	 summary;	  /* (seqs, hidden) */
	Activations	 inner;		  /* (seqs, hidden) */
} RoFormerState;

/* ---- config ---- */

static const Architecture architectures[] = {
	{"RoFormerModel", HEAD_BASE, NULL},
	{"RoFormerForMaskedLM", HEAD_MASKED_LM, "cls.predictions.transform.dense.weight"},
	{"RoFormerForCausalLM", HEAD_CAUSAL_LM, NULL},
	{"RoFormerForQuestionAnswering", HEAD_QUESTION_ANSWERING, "qa_outputs.weight"},
	{"RoFormerForSequenceClassification", HEAD_SEQUENCE_CLASSIFICATION,
	 "classifier.out_proj.weight"},
	{"RoFormerForTokenClassification", HEAD_TOKEN_CLASSIFICATION, "classifier.weight"},
	{"RoFormerForMultipleChoice", HEAD_MULTIPLE_CHOICE, NULL},
	{NULL, HEAD_BASE, NULL},
};

/* cls_index is a place that callers may give in other models; the last position without. */
static bool
configure_summary(RoFormerConfig *config, const Params *params, const Model *model, Error *error)
{
	const char *type, *act;
	bool		to_labels;

	if (!params_string(params, "summary_type", "last", &type, error) ||
		!params_bool(params, "summary_use_proj", false, &config->summary_projection, error) ||
		!params_bool(params, "summary_proj_to_labels", false, &to_labels, error) ||
		!params_string(params, "summary_activation", "linear", &act, error) ||
		!activation_from_name(act, &config->summary_act, error))
		return false;
	if (strcmp(type, "last") == 0 || strcmp(type, "cls_index") == 0)
		config->summary = SUMMARY_LAST;
	else if (strcmp(type, "first") == 0)
		config->summary = SUMMARY_FIRST;
	else if (strcmp(type, "mean") == 0)
		config->summary = SUMMARY_MEAN;
	else
		return error_set(error, ERR_UNSUPPORTED, "summary_type \"%s\" is not supported", type);
	if (config->summary_projection && to_labels && model->n_labels != model->hidden_size)
		return error_set(error, ERR_DATA,
						 "summary_proj_to_labels makes a summary of %d numbers, but the classifier "
						 "takes hidden_size %d",
						 model->n_labels, model->hidden_size);
	return true;
}

static bool
roformer_configure(void *out, const Params *params, Model *model, Error *error)
{
	RoFormerConfig	*config = out;
	EncoderConfig	*encoder = &config->encoder;
	AttentionConfig *attention = &encoder->attention;

	if (!encoder_configure(encoder, params, 50000, 1536, 0, model, error) ||
		!params_int(params, "embedding_size", encoder->hidden_size, 1, 1 << 16,
					&config->embedding_size, error) ||
		!params_bool(params, "rotary_value", false, &attention->rotary_value, error) ||
		(model->head == HEAD_MULTIPLE_CHOICE && !configure_summary(config, params, model, error)))
		return false;
	if (attention->head_dim % 2 != 0)
		return error_set(
			error, ERR_DATA,
			"hidden_size %d and num_attention_heads %d make heads of %d numbers, which "
			"is not even",
			encoder->hidden_size, attention->heads, attention->head_dim);
	attention->relative = RELATIVE_ROTARY;
	model->embedding_size = config->embedding_size;
	model->choice_sees_padding =
		model->head == HEAD_MULTIPLE_CHOICE && config->summary != SUMMARY_FIRST;
	model->takes_cross_head_mask = model->head == HEAD_CAUSAL_LM;
	if (model->head == HEAD_QUESTION_ANSWERING)
		model->n_labels = 2;
	return true;
}

/* ---- weights ---- */

static size_t
roformer_weights_size(const void *config)
{
	return sizeof(RoFormerWeights) +
		   (size_t) ((const RoFormerConfig *) config)->encoder.n_layers * sizeof(EncoderLayer);
}

/* 10000^y for 0 <= y < 1, by a logarithm in two parts. */
static double
power_of_10000(double y)
{
	static const double high = 9.210340371976184, low = -8.683024893528997e-16;
	double				product = y * high, power = precise_exp(product);

	return power + power * (fma(y, high, -product) + y * low);
}

/* The angle of pair i at position p is p / 10000^(2 i / columns), in double precision. */
static void
compute_positions(float *table, int rows, int columns)
{
	int half = columns / 2;

	for (int i = 0; i < half; i++)
	{
		double period = power_of_10000(2.0 * i / columns);

		for (int p = 0; p < rows; p++)
		{
			float *row = table + (long) p * columns;

			row[i] = (float) precise_sin(p / period);
			row[half + i] = (float) precise_cos(p / period);
		}
	}
}

static bool
bind_embeddings(const Model *model, RoFormerWeights *weights, Binder *binder)
{
	const RoFormerConfig *config = model->config;
	const EncoderConfig	 *encoder = &config->encoder;
	int					  width = config->embedding_size, hidden = encoder->hidden_size;
	const char			 *words = "embeddings.word_embeddings";

	return (head_is_language_model(model->head)
				? bind_words_and_output(binder, &weights->word, &weights->lm.decoder,
										encoder->vocab_size, width, model->tie_word_embeddings,
										words, "cls.predictions.decoder", "cls.predictions.bias",
										"cls.predictions.decoder.bias")
				: bind_table(binder, &weights->word, encoder->vocab_size, width, "%s", words)) &&
		   bind_table(binder, &weights->type, encoder->type_vocab_size, width,
					  "embeddings.token_type_embeddings") &&
		   bind_norm(binder, &weights->norm.weight, &weights->norm.bias, width,
					 "embeddings.LayerNorm") &&
		   (width == hidden ||
			bind_matrix(binder, &weights->project, hidden, width, true, "embeddings_project")) &&
		   bind_computed_table(binder, &weights->positions, encoder->max_positions,
							   encoder->attention.head_dim, compute_positions,
							   "encoder.embed_positions");
}

/* What a head has beside the words. */
static bool
bind_head(const Model *model, RoFormerWeights *weights, Binder *binder)
{
	const RoFormerConfig *config = model->config;
	int					  hidden = config->encoder.hidden_size, width = config->embedding_size;

	switch (model->head)
	{
		case HEAD_MASKED_LM:
		case HEAD_CAUSAL_LM:
			weights->lm.act = config->encoder.hidden_act;
			weights->lm.epsilon = config->encoder.layer_norm_eps;
			return bind_matrix(binder, &weights->lm.transform, width, hidden, true,
							   "cls.predictions.transform.dense") &&
				   bind_norm(binder, &weights->lm.norm.weight, &weights->lm.norm.bias, width,
							 "cls.predictions.transform.LayerNorm");
		case HEAD_SEQUENCE_CLASSIFICATION:
			return bind_matrix(binder, &weights->dense, hidden, hidden, true, "classifier.dense") &&
				   bind_matrix(binder, &weights->classifier, model->n_labels, hidden, true,
							   "classifier.out_proj");
		case HEAD_MULTIPLE_CHOICE:
			return (!config->summary_projection ||
					bind_matrix(binder, &weights->summary, hidden, hidden, true,
								"sequence_summary.summary")) &&
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
roformer_bind(Model *model, void *out, Binder *binder)
{
	const RoFormerConfig *config = model->config;
	RoFormerWeights		 *weights = out;

	return bind_embeddings(model, weights, binder) &&
		   encoder_bind(weights->layers, &config->encoder, binder) &&
		   bind_head(model, weights, binder);
}

/* ---- computing ---- */

/* Lays out a pass over a workspace, or counts its bytes when base is NULL. */
static size_t
roformer_state(RoFormerState *state, const Model *model, char *base, int threads)
{
	const RoFormerConfig *config = model->config;
	const Batch			 *batch = state->encoder.pass.batch;
	int					  hidden = config->encoder.hidden_size, width = config->embedding_size;
	Carver				  carver = {.base = base}, before, behind;

	encoder_carve(&state->encoder, &config->encoder, width, threads, &carver, &before);
	behind = before;
	state->embedded = width == hidden ? state->encoder.hidden_states
									  : carve_activations(&before, batch->n_tokens, width);
	if (batch->logits != NULL)
	{
		state->chosen = carve_activations(&behind, logit_rows(batch), hidden);
		state->transformed = carve_activations(&behind, logit_rows(batch), width);
		state->summary = carve_activations(&behind, batch->n_seqs, hidden);
		state->inner = carve_activations(&behind, batch->n_seqs, hidden);
	}
	return most_used(&carver, &before, &behind);
}

static size_t
roformer_workspace(const Model *model, const Batch *largest, int threads)
{
	RoFormerState state = {.encoder.pass = pass_begin(model, largest, NULL)};

	return roformer_state(&state, model, NULL, threads);
}

/* The scores of choices. */
static bool
multiple_choice(Pass *pass, const RoFormerConfig *config, const RoFormerWeights *weights,
				RoFormerState *state)
{
	const Activations *x = &state->encoder.hidden_states;
	Activations		  *summary = &state->summary;

	if (pass->batch->logits == NULL)
		return true;
	if (config->summary == SUMMARY_FIRST)
		gather_first(pass, x, summary);
	else if (config->summary == SUMMARY_MEAN)
		gather_mean(pass, x, summary);
	else
		gather_last(pass, x, summary);
	if (config->summary_projection)
		return head_two_layers(pass, &weights->summary, config->summary_act, &weights->classifier,
							   summary, &state->inner);
	for (int i = 0; i < summary->m; i++)
		pass->kernels->activate(config->summary_act, summary->x + i * summary->ld,
								(size_t) summary->n);
	return head_linear(pass, &weights->classifier, summary, pass->batch->logits);
}

/* Logits, as far as the batch wants them. */
static bool
roformer_head(Pass *pass, const RoFormerConfig *config, const RoFormerWeights *weights,
			  RoFormerState *state)
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
			gather_first(pass, x, &state->summary);
			return head_two_layers(pass, &weights->dense, config->encoder.hidden_act,
								   &weights->classifier, &state->summary, &state->inner);
		case HEAD_MULTIPLE_CHOICE:
			return multiple_choice(pass, config, weights, state);
		case HEAD_TOKEN_CLASSIFICATION:
		case HEAD_QUESTION_ANSWERING:
			return head_tokens(pass, &weights->classifier, x, &state->chosen);
		default:
			return true;
	}
}

static bool
roformer_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
				 Output *output)
{
	const RoFormerConfig  *config = model->config;
	const RoFormerWeights *weights = model->weights;
	RoFormerState		   state = {.encoder.pass = pass_begin(model, batch, crew)};
	Pass				  *pass = &state.encoder.pass;
	Activations			  *x = &state.encoder.hidden_states, *e = &state.embedded;
	EmbeddingPart		   parts[2] = {word_part(batch, &weights->word),
									   {&weights->type, batch->token_type_ids, NULL}};
	const Matrix		  *first = &weights->layers[0].query_key_value;
	bool				   projected = config->embedding_size != config->encoder.hidden_size;

	roformer_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, false);
	if (!projected)
		e = x;
	if (!embeddings(pass, parts, 2, e) ||
		!layer_norm(pass, e, e, &weights->norm, config->encoder.layer_norm_eps,
					projected ? &weights->project : first) ||
		(projected && !linear(pass, &weights->project, e, x, ACTIVATION_NONE, NULL)) ||
		!encoder_layers(&state.encoder, &config->encoder, weights->layers, &weights->positions) ||
		!roformer_head(pass, config, weights, &state))
		return false;
	*output = (Output){.hidden_states = x->x, .ld = x->ld};
	return true;
}

const Family family_roformer = {
	.model_type = "roformer",
	.base_prefix = "roformer.",
	.defaults = "{\"pad_token_id\": 0, \"vocab_size\": 50000, \"hidden_size\": 768, "
				"\"num_hidden_layers\": 12, \"num_attention_heads\": 12, "
				"\"hidden_act\": \"gelu\", \"intermediate_size\": 3072, "
				"\"hidden_dropout_prob\": 0.1, \"attention_probs_dropout_prob\": 0.1, "
				"\"max_position_embeddings\": 1536, \"type_vocab_size\": 2, "
				"\"initializer_range\": 0.02, \"layer_norm_eps\": 1e-12, "
				"\"rotary_value\": false, \"use_cache\": true}",
	.width_key = "embedding_size",
	.architectures = architectures,
	.config_size = sizeof(RoFormerConfig),
	.configure = roformer_configure,
	.weights_size = roformer_weights_size,
	.bind = roformer_bind,
	.workspace = roformer_workspace,
	.forward = roformer_forward,
};
