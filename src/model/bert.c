/*
 * bert.c: BERT (Devlin et al. 2018), model type "bert".
 *
 *	 x = LN(word[id] + type[t] + position[p])
 *	 layer:	x = LN(x + Wo · attention(x) + bo);  x = LN(x + W2 · act(W1 · x + b1) + b2)
 *	 pooled = tanh(Wp · x[first token] + bp)
 *
 * Sentence-transformers' checkpoints may come without the pooler.
 */
#include "model/bert_head.h"

typedef struct BertWeights
{
	Table		 word;	   /* (vocab, hidden) */
	Table		 position; /* (max_positions, hidden), with absolute positions */
	Table		 type;	   /* (type_vocab, hidden) */
	Norm		 norm;
	BertHead	 head;
	EncoderLayer layers[]; /* (n_layers) */
} BertWeights;

typedef struct BertState
{
	EncoderState  encoder;
	int32_t		 *positions; /* (tokens) */
	BertHeadState head;
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
bert_configure(void *out, const Params *params, Model *model, Error *error)
{
	EncoderConfig *config = out;

	model->has_pair_logits = model->head == HEAD_PRE_TRAINING;
	model->labels_drop_cache = model->head == HEAD_CAUSAL_LM;
	return encoder_configure(config, params, 30522, 512, 0, model, error) &&
		   encoder_configure_positions(config, params, model, error) &&
		   (model->head != HEAD_QUESTION_ANSWERING || model_check_two_labels(model, error));
}

/* ---- weights ---- */

static size_t
bert_weights_size(const void *config)
{
	return sizeof(BertWeights) +
		   (size_t) ((const EncoderConfig *) config)->n_layers * sizeof(EncoderLayer);
}

static bool
bert_bind(Model *model, void *out, Binder *binder)
{
	const EncoderConfig *config = model->config;
	BertWeights			*weights = out;
	int					 hidden = config->hidden_size;

	return bert_head_bind_words(model, config, &weights->head, &weights->word, binder) &&
		   (!encoder_has_absolute_positions(config) ||
			bind_table(binder, &weights->position, config->max_positions, hidden,
					   "embeddings.position_embeddings")) &&
		   bind_table(binder, &weights->type, config->type_vocab_size, hidden,
					  "embeddings.token_type_embeddings") &&
		   bind_norm(binder, &weights->norm.weight, &weights->norm.bias, hidden,
					 "embeddings.LayerNorm") &&
		   encoder_bind(weights->layers, config, binder) &&
		   bert_head_bind(model, config, &weights->head, binder);
}

/* ---- computing ---- */

/* Lays out a pass over a workspace, or counts its bytes when base is NULL. */
static size_t
bert_state(BertState *state, const Model *model, char *base, int threads)
{
	const EncoderConfig *config = model->config;
	const Batch			*batch = state->encoder.pass.batch;
	Carver				 carver = {.base = base}, behind;

	state->positions = carve(&carver, (size_t) batch->n_tokens, sizeof(int32_t));
	encoder_carve(&state->encoder, config, config->hidden_size, threads, &carver, &behind);
	bert_head_carve(&state->head, batch, config->hidden_size, &behind);
	return most_used(&carver, &behind, &behind);
}

static size_t
bert_workspace(const Model *model, const Batch *largest, int threads)
{
	BertState state = {.encoder.pass = pass_begin(model, largest, NULL)};

	return bert_state(&state, model, NULL, threads);
}

static bool
bert_forward(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
			 Output *output)
{
	const EncoderConfig *config = model->config;
	const BertWeights	*weights = model->weights;
	BertState			 state = {.encoder.pass = pass_begin(model, batch, crew)};
	Pass				*pass = &state.encoder.pass;
	Activations			*x = &state.encoder.hidden_states;
	EmbeddingPart		 parts[3] = {word_part(batch, &weights->word),
									 {&weights->type, batch->token_type_ids, NULL},
									 {&weights->position, batch->position_ids, NULL}};
	bool				 absolute = encoder_has_absolute_positions(config);

	bert_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, false);
	if (absolute && batch->position_ids == NULL)
	{
		sequence_positions(batch, state.positions);
		parts[2].index = state.positions;
	}
	return embeddings(pass, parts, absolute ? 3 : 2, x) &&
		   layer_norm(pass, x, x, &weights->norm, config->layer_norm_eps,
					  &weights->layers[0].query_key_value) &&
		   encoder_layers(&state.encoder, config, weights->layers, NULL) &&
		   bert_head(pass, &weights->head, x, &state.head, output);
}

const Family family_bert = {
	.model_type = "bert",
	.base_prefix = "bert.",
	.defaults = "{\"pad_token_id\": 0, \"vocab_size\": 30522, \"hidden_size\": 768, "
				"\"num_hidden_layers\": 12, \"num_attention_heads\": 12, "
				"\"hidden_act\": \"gelu\", \"intermediate_size\": 3072, "
				"\"hidden_dropout_prob\": 0.1, \"attention_probs_dropout_prob\": 0.1, "
				"\"max_position_embeddings\": 512, \"type_vocab_size\": 2, "
				"\"initializer_range\": 0.02, \"layer_norm_eps\": 1e-12, "
				"\"position_embedding_type\": \"absolute\", \"use_cache\": true, "
				"\"classifier_dropout\": null}",
	.architectures = architectures,
	.config_size = sizeof(EncoderConfig),
	.configure = bert_configure,
	.weights_size = bert_weights_size,
	.bind = bert_bind,
	.workspace = bert_workspace,
	.forward = bert_forward,
};
