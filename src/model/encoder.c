/*
 * encoder.c: the layers of BERT and its relatives.
 */
#include "model/encoder.h"

#include <limits.h>
#include <string.h>

/* ---- config ---- */

bool
encoder_configure(EncoderConfig *config, const Params *params, int vocab_size, int max_positions,
				  int pad_token_id, Model *model, Error *error)
{
	const char *act;
	double		eps;

	if (!params_int(params, "vocab_size", vocab_size, 1, 1 << 28, &config->vocab_size, error) ||
		!params_int(params, "pad_token_id", pad_token_id, 0, config->vocab_size - 1,
					&model->pad_token_id, error) ||
		!params_int(params, "hidden_size", 768, 1, 1 << 16, &config->hidden_size, error) ||
		!params_int(params, "num_hidden_layers", 12, 1, 1 << 12, &config->n_layers, error) ||
		!params_int(params, "num_attention_heads", 12, 1, 1 << 16, &config->attention.heads,
					error) ||
		!params_int(params, "intermediate_size", 3072, 1, 1 << 20, &config->intermediate_size,
					error) ||
		!params_int(params, "max_position_embeddings", max_positions, 1, 1 << 20,
					&config->max_positions, error) ||
		!params_int(params, "type_vocab_size", 2, 1, 1 << 16, &config->type_vocab_size, error) ||
		!params_double(params, "layer_norm_eps", 1e-12, &eps, error) ||
		!params_string(params, "hidden_act", "gelu", &act, error) ||
		!activation_from_name(act, &config->hidden_act, error))
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
	model->n_heads = config->attention.heads;
	model->vocab_size = config->vocab_size;
	model->type_vocab_size = config->type_vocab_size;
	model->max_tokens = config->max_positions;
	if (!model_configure_decoder(model, params, config->hidden_size, error))
		return false;
	config->attention.causal = model->is_decoder;
	config->cross_attention = model->has_cross_attention;
	return true;
}

bool
encoder_configure_positions(EncoderConfig *config, const Params *params, Model *model, Error *error)
{
	const char *type;

	if (!params_string(params, "position_embedding_type", "absolute", &type, error))
		return false;
	config->attention.max_distance = config->max_positions;
	if (strcmp(type, "absolute") == 0)
		config->attention.relative = RELATIVE_NONE;
	else if (strcmp(type, "relative_key") == 0)
		config->attention.relative = RELATIVE_KEY;
	else if (strcmp(type, "relative_key_query") == 0)
		config->attention.relative = RELATIVE_KEY_QUERY;
	else
		return error_set(error, ERR_UNSUPPORTED, "position_embedding_type \"%s\" is not supported",
						 type);
	model->n_positions = encoder_has_absolute_positions(config) ? config->max_positions : 0;
	model->ignores_positions = model->n_positions == 0;
	return true;
}

bool
encoder_has_absolute_positions(const EncoderConfig *config)
{
	return config->attention.relative == RELATIVE_NONE;
}

/* ---- weights ---- */

static bool
bind_self_attention(EncoderLayer *layer, const EncoderConfig *config, int i, Binder *binder)
{
	static const char *const qkv[] = {"query", "key", "value"};
	int						 hidden = config->hidden_size;
	bool					 distances = attention_has_distances(&config->attention);

	return bind_stacked(binder, &layer->query_key_value, hidden, hidden, true, "query_key_value",
						qkv, 3, "encoder.layer.%d.attention.self", i) &&
		   (!distances || bind_table(binder, &layer->distance, 2 * config->max_positions - 1,
									 config->attention.head_dim,
									 "encoder.layer.%d.attention.self.distance_embedding", i)) &&
		   bind_matrix(binder, &layer->attention_output, hidden, hidden, true,
					   "encoder.layer.%d.attention.output.dense", i) &&
		   bind_norm(binder, &layer->attention_norm.weight, &layer->attention_norm.bias, hidden,
					 "encoder.layer.%d.attention.%sLayerNorm", i,
					 config->norm_first ? "" : "output.");
}

static bool
bind_cross_attention(EncoderLayer *layer, const EncoderConfig *config, int i, Binder *binder)
{
	static const char *const kv[] = {"key", "value"};
	int						 hidden = config->hidden_size;

	return bind_matrix(binder, &layer->cross_query, hidden, hidden, true,
					   "encoder.layer.%d.crossattention.self.query", i) &&
		   bind_stacked(binder, &layer->cross_key_value, hidden, hidden, true, "key_value", kv, 2,
						"encoder.layer.%d.crossattention.self", i) &&
		   bind_matrix(binder, &layer->cross_output, hidden, hidden, true,
					   "encoder.layer.%d.crossattention.output.dense", i) &&
		   bind_norm(binder, &layer->cross_norm.weight, &layer->cross_norm.bias, hidden,
					 "encoder.layer.%d.crossattention.%sLayerNorm", i,
					 config->norm_first ? "" : "output.");
}

static bool
bind_feed_forward(EncoderLayer *layer, const EncoderConfig *config, int i, Binder *binder)
{
	int hidden = config->hidden_size, inner = config->intermediate_size;

	return bind_matrix(binder, &layer->intermediate, inner, hidden, true,
					   "encoder.layer.%d.intermediate.dense", i) &&
		   bind_matrix(binder, &layer->output, hidden, inner, true, "encoder.layer.%d.output.dense",
					   i) &&
		   bind_norm(binder, &layer->output_norm.weight, &layer->output_norm.bias, hidden,
					 "encoder.layer.%d.%s.LayerNorm", i,
					 config->norm_first ? "intermediate" : "output");
}

bool
encoder_bind(EncoderLayer *layers, const EncoderConfig *config, Binder *binder)
{
	for (int i = 0; i < config->n_layers; i++)
		if (!bind_self_attention(&layers[i], config, i, binder) ||
			(config->cross_attention && !bind_cross_attention(&layers[i], config, i, binder)) ||
			!bind_feed_forward(&layers[i], config, i, binder))
			return false;
	return true;
}

/* ---- computing ---- */

static size_t
larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

bool
encoder_has_source(const Pass *pass)
{
	return pass->model->has_cross_attention && pass->batch->source > 0;
}

void
encoder_carve(EncoderState *state, const EncoderConfig *config, int max_k, int threads,
			  Carver *carver, Carver *overlay)
{
	Pass  *pass = &state->pass;
	int	   hidden = config->hidden_size, inner = config->intermediate_size;
	int	   tokens = pass->batch->n_tokens;
	int	   keys = pass_keys(pass, pass->model->max_columns);
	Carver feed_forward;

	if (max_k < hidden)
		max_k = hidden;
	carve_pass(carver, pass, max_k > inner ? max_k : inner,
			   attention_floats(&config->attention, larger(keys, pass->batch->source)), threads);
	state->hidden_states = carve_activations(carver, tokens, hidden);
	*overlay = *carver;
	if (config->norm_first)
		state->normed = carve_activations(carver, tokens, hidden);
	feed_forward = *carver;
	state->qkv = carve_activations(carver, tokens, 3 * hidden);
	state->query = state->qkv;
	state->query.n = hidden;
	state->context = carve_activations(carver, tokens, hidden);
	if (encoder_has_source(pass))
		state->encoder_kv =
			carve_activations(carver, pass->batch->n_seqs * pass->batch->source, 2 * hidden);
	state->intermediate = carve_activations(&feed_forward, tokens, inner);
	carver->used = larger(carver->used, feed_forward.used);
}

static bool
self_attention(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layer,
			   const Table *positions, const Matrix *next)
{
	Pass		*pass = &state->pass;
	Activations *x = &state->hidden_states;

	return linear(pass, &layer->query_key_value, x, &state->qkv, ACTIVATION_NONE, NULL) &&
		   attention(pass, &config->attention, &state->qkv, positions, &state->context) &&
		   linear(pass, &layer->attention_output, &state->context, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &layer->attention_norm, config->layer_norm_eps, next);
}

static bool
source_attention(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layer)
{
	Pass		*pass = &state->pass;
	Activations *x = &state->hidden_states;

	return linear(pass, &layer->cross_query, x, &state->query, ACTIVATION_NONE, NULL) &&
		   cross_attention(pass, &config->attention, &state->query, &layer->cross_key_value,
						   &state->encoder_kv, &state->context) &&
		   linear(pass, &layer->cross_output, &state->context, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &layer->cross_norm, config->layer_norm_eps, &layer->intermediate);
}

static bool
feed_forward(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layer,
			 const Matrix *next)
{
	Pass		*pass = &state->pass;
	Activations *x = &state->hidden_states;

	return linear(pass, &layer->intermediate, x, &state->intermediate, config->hidden_act, NULL) &&
		   linear(pass, &layer->output, &state->intermediate, x, ACTIVATION_NONE, x) &&
		   layer_norm(pass, x, x, &layer->output_norm, config->layer_norm_eps, next);
}

bool
encoder_layers(EncoderState *state, const EncoderConfig *config, const EncoderLayer *layers,
			   const Table *positions)
{
	Pass *pass = &state->pass;
	bool  source = encoder_has_source(pass);

	if (!capture_hidden_states(pass, &state->hidden_states, 0))
		return false;
	for (int i = 0; i < config->n_layers; i++)
	{
		const EncoderLayer *layer = &layers[i];
		const Matrix	   *next = i + 1 < config->n_layers ? &layers[i + 1].query_key_value : NULL;

		pass->layer = i;
		if (!self_attention(state, config, layer, positions != NULL ? positions : &layer->distance,
							source ? &layer->cross_query : &layer->intermediate) ||
			(source && !source_attention(state, config, layer)) ||
			!feed_forward(state, config, layer, next) ||
			!capture_hidden_states(pass, &state->hidden_states, i + 1))
			return false;
	}
	return true;
}
