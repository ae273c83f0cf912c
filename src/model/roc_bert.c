/*
 * roc_bert.c: RoCBert (Su et al. 2022), model type "roc_bert": BERT for Chinese that sees how a token looks
 * and sounds.
 *
 *	 concat_input:	x = LN(M · [word[id] | shape[s] | pronunciation[p]] + m + type[t] + position[i])
 *	 otherwise:		x = mean of LN(word[id] + type[t] + position[i]), shape[s] and pronunciation[p]
 *
 * Layers and heads are BERT's (model/encoder.h, model/bert_head.h).  What is not given counts as row 0 of its
 * table where it is concatenated, and drops out of a mean.
 */
#include "model/bert_head.h"

/* One of the two embeddings that BERT has not. */
typedef struct GlyphConfig
{
	bool enabled;
	int	 vocab_size, width;
} GlyphConfig;

typedef struct RoCBertConfig
{
	EncoderConfig encoder;
	GlyphConfig	  shape, pronunciation;
	bool		  concatenated; /* concat_input */
} RoCBertConfig;

typedef struct RoCBertWeights
{
	Table		 word;			/* (vocab, hidden) */
	Table		 shape;			/* (shape_vocab, shape width), enabled */
	Table		 pronunciation; /* (pronunciation_vocab, pronunciation width), enabled */
	Table		 position;		/* (max_positions, hidden), with absolute positions */
	Table		 type;			/* (type_vocab, hidden) */
	Matrix		 map;			/* (hidden, hidden + enabled widths), with concat_input */
	Norm		 norm;
	BertHead	 head;
	EncoderLayer layers[]; /* (n_layers) */
} RoCBertWeights;

typedef struct RoCBertState
{
	EncoderState  encoder;
	int32_t		 *positions; /* (tokens) */
	Activations	  inputs;	 /* (tokens, hidden + enabled widths), with concat_input */
	BertHeadState head;
} RoCBertState;

/* ---- config ---- */

static const Architecture architectures[] = {
	{"RoCBertModel", HEAD_BASE, NULL},
	{"RoCBertForPreTraining", HEAD_PRE_TRAINING, NULL},
	{"RoCBertForMaskedLM", HEAD_MASKED_LM, "cls.predictions.transform.dense.weight"},
	{"RoCBertForCausalLM", HEAD_CAUSAL_LM, NULL},
	{"RoCBertForQuestionAnswering", HEAD_QUESTION_ANSWERING, "qa_outputs.weight"},
	{"RoCBertForSequenceClassification", HEAD_SEQUENCE_CLASSIFICATION, "classifier.weight"},
	{"RoCBertForMultipleChoice", HEAD_MULTIPLE_CHOICE, NULL},
	{"RoCBertForTokenClassification", HEAD_TOKEN_CLASSIFICATION, NULL},
	{NULL, HEAD_BASE, NULL},
};

static bool
check_average(const RoCBertConfig *config, const GlyphConfig *glyph, const char *name, Error *error)
{
	return config->concatenated || !glyph->enabled || glyph->width == config->encoder.hidden_size ||
		   error_set(error, ERR_DATA,
					 "%s is %d, but averaging (concat_input false) takes hidden_size %d", name,
					 glyph->width, config->encoder.hidden_size);
}

static bool
roc_bert_configure(void *out, const Params *params, Model *model, Error *error)
{
	RoCBertConfig *config = out;
	GlyphConfig	  *shape = &config->shape, *pronunciation = &config->pronunciation;

	if (!encoder_configure(&config->encoder, params, 30522, 512, 0, model, error) ||
		!encoder_configure_positions(&config->encoder, params, model, error) ||
		!params_bool(params, "enable_shape", true, &shape->enabled, error) ||
		!params_int(params, "shape_vocab_size", 24858, 1, 1 << 28, &shape->vocab_size, error) ||
		!params_int(params, "shape_embed_dim", 512, 1, 1 << 16, &shape->width, error) ||
		!params_bool(params, "enable_pronunciation", true, &pronunciation->enabled, error) ||
		!params_int(params, "pronunciation_vocab_size", 910, 1, 1 << 28, &pronunciation->vocab_size,
					error) ||
		!params_int(params, "pronunciation_embed_dim", 768, 1, 1 << 16, &pronunciation->width,
					error) ||
		!params_bool(params, "concat_input", true, &config->concatenated, error) ||
		!check_average(config, shape, "shape_embed_dim", error) ||
		!check_average(config, pronunciation, "pronunciation_embed_dim", error))
		return false;
	model->shape_vocab_size = shape->vocab_size;
	model->pronunciation_vocab_size = pronunciation->vocab_size;
	return model->head != HEAD_QUESTION_ANSWERING || model_check_two_labels(model, error);
}

/* ---- weights ---- */

static size_t
roc_bert_weights_size(const void *config)
{
	return sizeof(RoCBertWeights) +
		   (size_t) ((const RoCBertConfig *) config)->encoder.n_layers * sizeof(EncoderLayer);
}

/* Numbers of a token's embeddings side by side. */
static int
input_width(const RoCBertConfig *config)
{
	return config->encoder.hidden_size + (config->shape.enabled ? config->shape.width : 0) +
		   (config->pronunciation.enabled ? config->pronunciation.width : 0);
}

static bool
bind_glyph(const GlyphConfig *glyph, Table *table, const char *name, Binder *binder)
{
	return !glyph->enabled ||
		   bind_table(binder, table, glyph->vocab_size, glyph->width, "embeddings.%s", name);
}

static bool
roc_bert_bind(Model *model, void *out, Binder *binder)
{
	const RoCBertConfig *config = model->config;
	const EncoderConfig *encoder = &config->encoder;
	RoCBertWeights		*weights = out;
	int					 hidden = encoder->hidden_size;

	return bert_head_bind_words(model, encoder, &weights->head, &weights->word, binder) &&
		   bind_glyph(&config->shape, &weights->shape, "shape_embed", binder) &&
		   bind_glyph(&config->pronunciation, &weights->pronunciation, "pronunciation_embed",
					  binder) &&
		   (!encoder_has_absolute_positions(encoder) ||
			bind_table(binder, &weights->position, encoder->max_positions, hidden,
					   "embeddings.position_embeddings")) &&
		   bind_table(binder, &weights->type, encoder->type_vocab_size, hidden,
					  "embeddings.token_type_embeddings") &&
		   (!config->concatenated || bind_matrix(binder, &weights->map, hidden, input_width(config),
												 true, "embeddings.map_inputs_layer")) &&
		   bind_norm(binder, &weights->norm.weight, &weights->norm.bias, hidden,
					 "embeddings.LayerNorm") &&
		   encoder_bind(weights->layers, encoder, binder) &&
		   bert_head_bind(model, encoder, &weights->head, binder);
}

/* ---- computing ---- */

/* Lays out a pass over a workspace, or counts its bytes when base is NULL. */
static size_t
roc_bert_state(RoCBertState *state, const Model *model, char *base, int threads)
{
	const RoCBertConfig *config = model->config;
	const Batch			*batch = state->encoder.pass.batch;
	Carver				 carver = {.base = base}, before, behind;

	state->positions = carve(&carver, (size_t) batch->n_tokens, sizeof(int32_t));
	encoder_carve(&state->encoder, &config->encoder, input_width(config), threads, &carver,
				  &before);
	behind = before;
	if (config->concatenated)
		state->inputs = carve_activations(&before, batch->n_tokens, input_width(config));
	bert_head_carve(&state->head, batch, config->encoder.hidden_size, &behind);
	return most_used(&carver, &before, &behind);
}

static size_t
roc_bert_workspace(const Model *model, const Batch *largest, int threads)
{
	RoCBertState state = {.encoder.pass = pass_begin(model, largest, NULL)};

	return roc_bert_state(&state, model, NULL, threads);
}

/* Looks a part up into the columns of inputs that begin at *column, and moves that behind them. */
static bool
embed_columns(Pass *pass, const EmbeddingPart *part, Activations *inputs, int *column)
{
	Activations columns = {.x = inputs->x + *column, .ld = inputs->ld, .n = part->table->columns};

	*column += columns.n;
	return embeddings(pass, part, 1, &columns);
}

/* x = LN(M · inputs + m + x); x are types and positions. */
static bool
concatenate(Pass *pass, const RoCBertConfig *config, const RoCBertWeights *weights,
			RoCBertState *state)
{
	const Batch	 *batch = pass->batch;
	Activations	 *x = &state->encoder.hidden_states, *inputs = &state->inputs;
	EmbeddingPart word = word_part(batch, &weights->word);
	EmbeddingPart shape = {&weights->shape, batch->shape_ids, NULL};
	EmbeddingPart pronunciation = {&weights->pronunciation, batch->pronunciation_ids, NULL};
	int			  column = 0;

	inputs->m = batch->n_tokens;
	return embed_columns(pass, &word, inputs, &column) &&
		   (!config->shape.enabled || embed_columns(pass, &shape, inputs, &column)) &&
		   (!config->pronunciation.enabled ||
			embed_columns(pass, &pronunciation, inputs, &column)) &&
		   linear(pass, &weights->map, inputs, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &weights->norm, config->encoder.layer_norm_eps,
					  &weights->layers[0].query_key_value);
}

typedef struct AverageStep
{
	const Pass		   *pass;
	const Activations  *x;
	const EmbeddingPart parts[2];
	int					item_rows;
} AverageStep;

static void
average_item(void *argument, int item, int rank)
{
	const AverageStep *step = argument;
	int				   begin, end;

	(void) rank;
	item_range(item, step->item_rows, step->x->m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *row = step->x->x + i * step->x->ld, n = 1.0f;

		for (int p = 0; p < 2; p++)
			if (step->parts[p].index != NULL)
			{
				step->pass->kernels->add_row(step->parts[p].table, step->parts[p].index[i], row);
				n += 1.0f;
			}
		for (int j = 0; j < step->x->n; j++)
			row[j] /= n;
	}
}

/* x = the mean of LN(x) and what is given of shape and pronunciation. */
static bool
average(Pass *pass, const RoCBertConfig *config, const RoCBertWeights *weights, Activations *x)
{
	const Batch	  *batch = pass->batch;
	const int32_t *shapes = config->shape.enabled ? batch->shape_ids : NULL;
	const int32_t *pronunciations = config->pronunciation.enabled ? batch->pronunciation_ids : NULL;
	AverageStep	   step = {
		   .pass = pass,
		   .x = x,
		   .parts = {{&weights->shape, shapes, NULL}, {&weights->pronunciation, pronunciations, NULL}},
		   .item_rows = item_size(pass->crew, batch->n_tokens, 1)};

	return layer_norm(pass, x, x, &weights->norm, config->encoder.layer_norm_eps, NULL) &&
		   each(pass, divide_up(x->m, step.item_rows), average_item, &step);
}

static bool
roc_bert_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
				 Output *output)
{
	const RoCBertConfig	 *config = model->config;
	const RoCBertWeights *weights = model->weights;
	RoCBertState		  state = {.encoder.pass = pass_begin(model, batch, crew)};
	Pass				 *pass = &state.encoder.pass;
	Activations			 *x = &state.encoder.hidden_states;
	EmbeddingPart		  parts[3];
	int					  n_parts = 0;

	roc_bert_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, false);
	if (!config->concatenated)
		parts[n_parts++] = word_part(batch, &weights->word);
	parts[n_parts++] = (EmbeddingPart){&weights->type, batch->token_type_ids, NULL};
	if (encoder_has_absolute_positions(&config->encoder))
	{
		sequence_positions(batch, state.positions);
		parts[n_parts++] = (EmbeddingPart){
			&weights->position, batch->position_ids != NULL ? batch->position_ids : state.positions,
			NULL};
	}
	return embeddings(pass, parts, n_parts, x) &&
		   (config->concatenated ? concatenate(pass, config, weights, &state)
								 : average(pass, config, weights, x)) &&
		   encoder_layers(&state.encoder, &config->encoder, weights->layers, NULL) &&
		   bert_head(pass, &weights->head, x, &state.head, output);
}

const Family family_roc_bert = {
	.model_type = "roc_bert",
	.base_prefix = "roc_bert.",
	.defaults = "{\"vocab_size\": 30522, \"max_position_embeddings\": 512, "
				"\"hidden_size\": 768, \"num_hidden_layers\": 12, "
				"\"num_attention_heads\": 12, \"intermediate_size\": 3072, "
				"\"hidden_act\": \"gelu\", \"hidden_dropout_prob\": 0.1, "
				"\"attention_probs_dropout_prob\": 0.1, \"initializer_range\": 0.02, "
				"\"type_vocab_size\": 2, \"layer_norm_eps\": 1e-12, \"use_cache\": true, "
				"\"enable_pronunciation\": true, \"enable_shape\": true, "
				"\"pronunciation_embed_dim\": 768, \"pronunciation_vocab_size\": 910, "
				"\"shape_embed_dim\": 512, \"shape_vocab_size\": 24858, "
				"\"concat_input\": true, \"position_embedding_type\": \"absolute\", "
				"\"classifier_dropout\": null, \"pad_token_id\": 0}",
	.architectures = architectures,
	.config_size = sizeof(RoCBertConfig),
	.configure = roc_bert_configure,
	.weights_size = roc_bert_weights_size,
	.bind = roc_bert_bind,
	.workspace = roc_bert_workspace,
	.forward = roc_bert_forward,
};
