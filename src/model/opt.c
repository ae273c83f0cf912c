/*
 * opt.c: OPT (Zhang et al. 2022), model type "opt".
 *
 *	 x = word[id] · Pinᵀ + position[p + 2], where p counts the tokens that the mask keeps
 *	 layer:	x = x + Wo · attention(LN(x)) + bo;  x = x + W2 · act(W1 · LN(x) + b1) + b2
 *	 last_hidden_state = LN(x) · Poutᵀ
 *
 * The 350m model has its norms behind the sums, and none at the end.  Where words are as wide as
 * the layers there is no projection; biases and the norms' weights may be missing.  It is a decoder
 * whatever is_decoder says.
 */
#include <limits.h>

#include "model/attention.h"
#include "model/head.h"

#define LAYER_NORM_EPS 1e-5f
#define POSITION_OFFSET                                                                            \
	2 /* the row of the first token; a token that is masked takes the one before */

typedef struct OptConfig
{
	int				hidden_size, n_layers, ffn_dim, word_size, max_positions;
	int				vocab_size;
	bool			norm_before;	 /* do_layer_norm_before */
	bool			final_norm;		 /* norm_before without _remove_final_layer_norm */
	bool			has_bias;		 /* enable_bias */
	bool			has_norm_affine; /* layer_norm_elementwise_affine */
	Activation		act;
	AttentionConfig attention;
} OptConfig;

typedef struct OptLayer
{
	Norm   attention_norm;
	Matrix query_key_value; /* (3 hidden, hidden) */
	Matrix out;				/* (hidden, hidden) */
	Norm   ffn_norm;
	Matrix fc1; /* (ffn, hidden) */
	Matrix fc2; /* (hidden, ffn) */
} OptLayer;

typedef struct OptWeights
{
	Table	 word;					  /* (vocab, word) */
	Table	 position;				  /* (max_positions + 2, hidden) */
	Matrix	 project_in, project_out; /* (hidden, word), (word, hidden); where these differ */
	Norm	 final_norm;
	Matrix	 head;	   /* (outputs, word) */
	OptLayer layers[]; /* (n_layers) */
} OptWeights;

typedef struct OptState
{
	Pass		pass;
	int32_t	   *positions; /* (tokens) rows of the table */
	Activations x;		   /* (tokens, hidden) */
	Activations normed;	   /* (tokens, hidden) */
	Activations words;	   /* (tokens, word), where normed is; and what comes out of project_out */
	Activations qkv;	   /* (tokens, 3 hidden) */
	Activations context;   /* (tokens, hidden) */
	Activations inner;	   /* (tokens, ffn), where qkv and context were */
	Activations chosen;	   /* (logit rows, word) */
} OptState;

/* ---- config ---- */

static const Architecture architectures[] = {
	{"OPTModel", HEAD_BASE, NULL},
	{"OPTForCausalLM", HEAD_CAUSAL_LM, "lm_head.weight"},
	{"OPTForSequenceClassification", HEAD_SEQUENCE_CLASSIFICATION, "score.weight"},
	{"OPTForQuestionAnswering", HEAD_QUESTION_ANSWERING, "qa_outputs.weight"},
	{NULL, HEAD_BASE, NULL},
};

static bool
projects(const OptConfig *config)
{
	return config->word_size != config->hidden_size;
}

static bool
opt_configure(void *out, const Params *params, Model *model, Error *error)
{
	OptConfig  *config = out;
	const char *act;
	bool		remove_final_norm;

	if (!params_int(params, "vocab_size", 50272, 1, 1 << 28, &config->vocab_size, error) ||
		!params_int(params, "hidden_size", 768, 1, 1 << 16, &config->hidden_size, error) ||
		!params_int(params, "num_hidden_layers", 12, 1, 1 << 12, &config->n_layers, error) ||
		!params_int(params, "ffn_dim", 3072, 1, 1 << 20, &config->ffn_dim, error) ||
		!params_int(params, "max_position_embeddings", 2048, 1, 1 << 20, &config->max_positions,
					error) ||
		!params_int(params, "num_attention_heads", 12, 1, 1 << 16, &config->attention.heads,
					error) ||
		!params_int(params, "word_embed_proj_dim", config->hidden_size, 1, 1 << 16,
					&config->word_size, error) ||
		!params_bool(params, "do_layer_norm_before", true, &config->norm_before, error) ||
		!params_bool(params, "_remove_final_layer_norm", false, &remove_final_norm, error) ||
		!params_bool(params, "enable_bias", true, &config->has_bias, error) ||
		!params_bool(params, "layer_norm_elementwise_affine", true, &config->has_norm_affine,
					 error) ||
		!params_int(params, "pad_token_id", 1, -1, 1 << 28, &model->pad_token_id, error) ||
		!params_string(params, "activation_function", "relu", &act, error) ||
		!activation_from_name(act, &config->act, error))
		return false;
	if (config->hidden_size % config->attention.heads != 0)
		return error_set(error, ERR_DATA,
						 "hidden_size %d is not a multiple of num_attention_heads %d",
						 config->hidden_size, config->attention.heads);
	config->final_norm = config->norm_before && !remove_final_norm;
	config->attention.head_dim = config->hidden_size / config->attention.heads;
	config->attention.causal = true;
	model->hidden_size = model->embedding_size = config->word_size;
	model->layer_size = config->hidden_size;
	model->n_layers = config->n_layers;
	model->n_heads = config->attention.heads;
	model->head_mask_by_layer = true;
	model->vocab_size = config->vocab_size;
	model->max_tokens = model->n_positions = config->max_positions;
	model->max_columns = INT_MAX;
	model->is_decoder = model->sequence_has_cache = true;
	model->cache = (CacheLayout){.n_layers = config->n_layers,
								 .key_width = config->hidden_size,
								 .value_width = config->hidden_size};
	return true;
}

/* ---- weights ---- */

static size_t
opt_weights_size(const void *config)
{
	return sizeof(OptWeights) + (size_t) ((const OptConfig *) config)->n_layers * sizeof(OptLayer);
}

static bool
bind_layer(OptLayer *layer, const OptConfig *config, int i, Binder *binder)
{
	static const char *const qkv[] = {"q_proj", "k_proj", "v_proj"};
	int						 hidden = config->hidden_size, inner = config->ffn_dim;
	bool					 bias = config->has_bias;

	return (!config->has_norm_affine ||
			bind_norm(binder, &layer->attention_norm.weight, &layer->attention_norm.bias, hidden,
					  "decoder.layers.%d.self_attn_layer_norm", i)) &&
		   bind_stacked(binder, &layer->query_key_value, hidden, hidden, bias, "query_key_value",
						qkv, 3, "decoder.layers.%d.self_attn", i) &&
		   bind_matrix(binder, &layer->out, hidden, hidden, bias,
					   "decoder.layers.%d.self_attn.out_proj", i) &&
		   (!config->has_norm_affine ||
			bind_norm(binder, &layer->ffn_norm.weight, &layer->ffn_norm.bias, hidden,
					  "decoder.layers.%d.final_layer_norm", i)) &&
		   bind_matrix(binder, &layer->fc1, inner, hidden, bias, "decoder.layers.%d.fc1", i) &&
		   bind_matrix(binder, &layer->fc2, hidden, inner, bias, "decoder.layers.%d.fc2", i);
}

/* The words, and the head on top of the model. */
static bool
bind_ends(const Model *model, OptWeights *weights, Binder *binder)
{
	static const char words[] = "decoder.embed_tokens";
	const OptConfig	 *config = model->config;
	int				  n = config->vocab_size, k = config->word_size;

	if (model->head == HEAD_CAUSAL_LM)
		return bind_words_and_output(binder, &weights->word, &weights->head, n, k,
									 model->tie_word_embeddings, words, "lm_head", NULL, NULL);
	if (!bind_table(binder, &weights->word, n, k, words))
		return false;
	if (model->head == HEAD_SEQUENCE_CLASSIFICATION)
		return bind_matrix(binder, &weights->head, model->n_labels, k, false, "score");
	return model->head == HEAD_BASE ||
		   bind_matrix(binder, &weights->head, head_outputs(model), k, true, "qa_outputs");
}

static bool
opt_bind(Model *model, void *out, Binder *binder)
{
	const OptConfig *config = model->config;
	OptWeights		*weights = out;
	int				 hidden = config->hidden_size, words = config->word_size;

	if (!bind_ends(model, weights, binder) ||
		!bind_table(binder, &weights->position, config->max_positions + POSITION_OFFSET, hidden,
					"decoder.embed_positions") ||
		(projects(config) &&
		 (!bind_matrix(binder, &weights->project_in, hidden, words, false, "decoder.project_in") ||
		  !bind_matrix(binder, &weights->project_out, words, hidden, false,
					   "decoder.project_out"))))
		return false;
	for (int i = 0; i < config->n_layers; i++)
		if (!bind_layer(&weights->layers[i], config, i, binder))
			return false;
	return !config->final_norm || !config->has_norm_affine ||
		   bind_norm(binder, &weights->final_norm.weight, &weights->final_norm.bias, hidden,
					 "decoder.final_layer_norm");
}

/* ---- computing ---- */

/* Whether the mask of sequence i keeps a key. */
static bool
keeps(const Batch *batch, int i, int key)
{
	return batch->attention_mask == NULL ||
		   batch->attention_mask[(long) i * batch->max_keys + key] == 1.0f;
}

static int
cached(const Batch *batch, int i)
{
	return batch->caches != NULL ? batch->caches[i].length : 0;
}

/* Positions are given, or as many are taken as the mask keeps tokens. */
static bool
opt_check(const Model *model, const Batch *batch, Error *error)
{
	if (batch->mask_rows > 1)
		return error_set(error, ERR_ARGUMENT,
						 "attention_mask has %d rows for each sequence, but %s takes 1",
						 batch->mask_rows, model->architecture);
	for (int i = 0; batch->position_ids == NULL && i < batch->n_seqs; i++)
	{
		int keys = cached(batch, i) + batch->offsets[i + 1] - batch->offsets[i], kept = 0;

		for (int j = 0; j < keys; j++)
			kept += keeps(batch, i, j);
		if (kept > model->max_tokens)
			return error_set(error, ERR_LIMIT,
							 "sequence %d has %d tokens, but at most %d are allowed", i, kept,
							 model->max_tokens);
	}
	return true;
}

static size_t
opt_state(OptState *state, const Model *model, char *base, int threads)
{
	const OptConfig *config = model->config;
	const Batch		*batch = state->pass.batch;
	int				 hidden = config->hidden_size, inner = config->ffn_dim;
	int				 words = config->word_size, tokens = batch->n_tokens;
	int				 keys, widest = hidden > inner ? hidden : inner;
	Carver			 carver = {.base = base}, overlay;

	keys = pass_keys(&state->pass, batch->attention_mask != NULL ? INT_MAX : model->max_tokens);
	carve_pass(&carver, &state->pass, words > widest ? words : widest,
			   attention_floats(&config->attention, keys), threads);
	state->positions = carve(&carver, (size_t) tokens, sizeof(int32_t));
	state->x = carve_activations(&carver, tokens, hidden);
	overlay = carver;
	state->normed = carve_activations(&carver, tokens, hidden);
	state->words = carve_activations(&overlay, tokens, words);
	if (overlay.used > carver.used)
		carver = overlay;
	if (batch->logits != NULL)
		state->chosen = carve_activations(&carver, pass_rows(&state->pass), words);
	overlay = carver;
	state->qkv = carve_activations(&carver, tokens, 3 * hidden);
	state->context = carve_activations(&carver, tokens, hidden);
	state->inner = carve_activations(&overlay, tokens, inner);
	return carver.used > overlay.used ? carver.used : overlay.used;
}

static size_t
opt_workspace(const Model *model, const Batch *largest, int threads)
{
	OptState state = {.pass = pass_begin(model, largest, NULL)};

	return opt_state(&state, model, NULL, threads);
}

/* Rows of the table of positions: p + 2, where p counts the tokens before it that the mask keeps; 1
 * for one that is masked itself. */
static void
opt_positions(const Batch *batch, int32_t *positions)
{
	for (int i = 0; i < batch->n_seqs; i++)
	{
		int begin = batch->offsets[i], past = cached(batch, i), kept = 0;

		for (int j = 0; j < past; j++)
			kept += keeps(batch, i, j);
		for (int t = begin; t < batch->offsets[i + 1]; t++)
		{
			bool keep = keeps(batch, i, past + t - begin);

			positions[t] = POSITION_OFFSET + (keep ? kept : -1);
			kept += keep;
		}
	}
	for (int t = 0; batch->position_ids != NULL && t < batch->n_tokens; t++)
		positions[t] = POSITION_OFFSET + batch->position_ids[t];
}

/* x = words, projected where they have another width, + positions */
static bool
opt_embed(Pass *pass, const OptConfig *config, const OptWeights *weights, OptState *state)
{
	const Batch	 *batch = pass->batch;
	EmbeddingPart parts[2] = {word_part(batch, &weights->word),
							  {&weights->position, state->positions, NULL}};

	opt_positions(batch, state->positions);
	if (!projects(config))
		return embeddings(pass, parts, 2, &state->x);
	return embeddings(pass, &parts[0], 1, &state->words) &&
		   embeddings(pass, &parts[1], 1, &state->x) &&
		   linear(pass, &weights->project_in, &state->words, &state->x, ACTIVATION_NONE, &state->x);
}

static bool
opt_layer(Pass *pass, const OptConfig *config, const OptLayer *layer, OptState *state)
{
	bool		 before = config->norm_before;
	Activations *x = &state->x, *in = before ? &state->normed : x;

	return (!before || layer_norm(pass, x, in, &layer->attention_norm, LAYER_NORM_EPS,
								  &layer->query_key_value)) &&
		   linear(pass, &layer->query_key_value, in, &state->qkv, ACTIVATION_NONE, NULL) &&
		   attention(pass, &config->attention, &state->qkv, NULL, &state->context) &&
		   linear(pass, &layer->out, &state->context, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, in, before ? &layer->ffn_norm : &layer->attention_norm,
					  LAYER_NORM_EPS, &layer->fc1) &&
		   linear(pass, &layer->fc1, in, &state->inner, config->act, NULL) &&
		   linear(pass, &layer->fc2, &state->inner, x, ACTIVATION_NONE, x) &&
		   (before || layer_norm(pass, x, x, &layer->ffn_norm, LAYER_NORM_EPS, NULL));
}

/* The token that a classification looks at: the one before the first that is a pad, around the end;
 * the last where there is none. */
static void
classified_tokens(const Model *model, const Batch *batch, int32_t *tokens)
{
	for (int i = 0; i < batch->n_seqs; i++)
	{
		int begin = batch->offsets[i], end = batch->offsets[i + 1], pad = begin;

		while (batch->input_ids != NULL && pad < end &&
			   batch->input_ids[pad] != model->pad_token_id)
			pad++;
		tokens[i] = pad > begin && pad < end ? pad - 1 : end - 1;
	}
}

static bool
opt_head(Pass *pass, const OptWeights *weights, const Activations *last, OptState *state)
{
	if (pass->model->head == HEAD_BASE || pass->batch->logits == NULL)
		return true;
	if (head_is_by_token(pass->model->head))
		return head_tokens(pass, &weights->head, last, &state->chosen);
	classified_tokens(pass->model, pass->batch, state->positions);
	gather_rows(last, state->positions, pass->batch->n_seqs, &state->chosen);
	return head_linear(pass, &weights->head, &state->chosen, pass->batch->logits);
}

static bool
opt_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
			Output *output)
{
	const OptConfig	 *config = model->config;
	const OptWeights *weights = model->weights;
	OptState		  state = {.pass = pass_begin(model, batch, crew)};
	Pass			 *pass = &state.pass;
	Activations		 *x = &state.x, *last = projects(config) ? &state.words : x;

	opt_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, true);
	if (!opt_embed(pass, config, weights, &state))
		return false;
	for (pass->layer = 0; pass->layer < config->n_layers; pass->layer++)
		if (!capture_hidden_states(pass, x, pass->layer) ||
			!opt_layer(pass, config, &weights->layers[pass->layer], &state))
			return false;
	if ((config->final_norm &&
		 !layer_norm(pass, x, x, &weights->final_norm, LAYER_NORM_EPS, &weights->project_out)) ||
		!(projects(config) ? linear(pass, &weights->project_out, x, last, ACTIVATION_NONE, NULL)
						   : capture_hidden_states(pass, x, config->n_layers)) ||
		!opt_head(pass, weights, last, &state))
		return false;
	*output = (Output){.hidden_states = last->x, .ld = last->ld};
	return true;
}

const Family family_opt = {
	.model_type = "opt",
	.base_prefix = "model.",
	.defaults = "{\"bos_token_id\": 2, \"pad_token_id\": 1, \"eos_token_id\": 2, "
				"\"vocab_size\": 50272, \"max_position_embeddings\": 2048, "
				"\"num_attention_heads\": 12, \"ffn_dim\": 3072, \"hidden_size\": 768, "
				"\"num_hidden_layers\": 12, \"dropout\": 0.1, \"attention_dropout\": 0.0, "
				"\"activation_function\": \"relu\", \"init_std\": 0.02, "
				"\"layerdrop\": 0.0, \"use_cache\": true, \"do_layer_norm_before\": true, "
				"\"enable_bias\": true, \"layer_norm_elementwise_affine\": true, "
				"\"_remove_final_layer_norm\": false}",
	.width_key = "word_embed_proj_dim",
	.architectures = architectures,
	.config_size = sizeof(OptConfig),
	.configure = opt_configure,
	.weights_size = opt_weights_size,
	.bind = opt_bind,
	.check = opt_check,
	.workspace = opt_workspace,
	.forward = opt_forward,
};
