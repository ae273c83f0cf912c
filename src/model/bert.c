/*
 * bert.c: BERT (Devlin et al. 2018), model type "bert".
 *
 *	 x = LN(word[id] + type[t] + position[p])
 *	 layer:	x = LN(x + Wo · attention(x) + bo);  x = LN(x + W2 · act(W1 · x + b1) + b2)
 *	 pooled = tanh(Wp · x[first token] + bp)
 *
 * Sentence-transformers' checkpoints may come without the pooler.
 */
#include "model/encoder.h"
#include "model/head.h"

typedef struct BertWeights
{
	Table		  word;		/* (vocab, hidden) */
	Table		  position; /* (max_positions, hidden), with absolute positions */
	Table		  type;		/* (type_vocab, hidden) */
	Norm		  norm;
	Matrix		  pooler;	  /* (hidden, hidden); without panels: none */
	TransformHead lm;		  /* of language models */
	Matrix		  classifier; /* (outputs, hidden): of pooled, or of x */
	EncoderLayer  layers[];	  /* (n_layers) */
} BertWeights;

typedef struct BertState
{
	EncoderState encoder;
	int32_t		*positions;	  /* (tokens) */
	Activations	 first;		  /* (seqs, hidden) */
	Activations	 pooled;	  /* (seqs, hidden) */
	Activations	 chosen;	  /* (logit rows, hidden) */
	Activations	 transformed; /* (logit rows, hidden) */
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
	return encoder_configure(config, params, 30522, 512, model, error) &&
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
	const EncoderConfig *config = model->config;
	TransformHead		*lm = &weights->lm;
	int					 hidden = config->hidden_size, vocab = config->vocab_size;

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
	const EncoderConfig *config = model->config;
	BertWeights			*weights = out;
	int					 hidden = config->hidden_size;

	return bind_words(model, weights, binder) &&
		   (!encoder_has_absolute_positions(config) ||
			bind_table(binder, &weights->position, config->max_positions, hidden,
					   "embeddings.position_embeddings")) &&
		   bind_table(binder, &weights->type, config->type_vocab_size, hidden,
					  "embeddings.token_type_embeddings") &&
		   bind_norm(binder, &weights->norm.weight, &weights->norm.bias, hidden,
					 "embeddings.LayerNorm") &&
		   encoder_bind(weights->layers, config, binder) &&
		   bind_pooler(model, weights, hidden, binder) &&
		   bind_classifier(model, weights, hidden, binder);
}

/* ---- computing ---- */

/* Lays out a pass over a workspace, or counts its bytes when base is NULL. */
static size_t
bert_state(BertState *state, const Model *model, char *base, int threads)
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
bert_workspace(const Model *model, const Batch *largest, int threads)
{
	BertState state = {.encoder.pass = pass_begin(model, largest, NULL)};

	return bert_state(&state, model, NULL, threads);
}

/* Logits, as far as the batch wants them. */
static bool
bert_head(Pass *pass, const BertWeights *weights, BertState *state)
{
	const Batch *batch = pass->batch;
	Activations *x = &state->encoder.hidden_states;

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
	const EncoderConfig *config = model->config;
	const BertWeights	*weights = model->weights;
	BertState			 state = {.encoder.pass = pass_begin(model, batch, crew)};
	Pass				*pass = &state.encoder.pass;
	Activations			*x = &state.encoder.hidden_states;
	EmbeddingPart		 parts[3] = {word_part(batch, &weights->word),
									 {&weights->type, batch->token_type_ids, NULL},
									 {&weights->position, batch->position_ids, NULL}};
	bool				 absolute = encoder_has_absolute_positions(config);
	bool				 pooled = model->has_pooler &&
				  (batch->pooler || (batch->logits != NULL && takes_pooled(model->head)));

	bert_state(&state, model, workspace->base, crew->size);
	pass_masks(pass, false);
	if (absolute && batch->position_ids == NULL)
	{
		sequence_positions(batch, state.positions);
		parts[2].index = state.positions;
	}
	if (!embeddings(pass, parts, absolute ? 3 : 2, x) ||
		!layer_norm(pass, x, x, &weights->norm, config->layer_norm_eps,
					&weights->layers[0].query_key_value) ||
		!encoder_layers(&state.encoder, config, weights->layers, NULL) ||
		(pooled && !pooler(pass, &weights->pooler, x, &state.first, &state.pooled)))
		return false;
	*output =
		(Output){.hidden_states = x->x, .ld = x->ld, .pooled = pooled ? state.pooled.x : NULL};
	return bert_head(pass, weights, &state);
}

const Family family_bert = {
	.model_type = "bert",
	.base_prefix = "bert.",
	.architectures = architectures,
	.config_size = sizeof(EncoderConfig),
	.configure = bert_configure,
	.weights_size = bert_weights_size,
	.bind = bert_bind,
	.workspace = bert_workspace,
	.forward = bert_forward,
};
