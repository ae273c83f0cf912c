/*
 * encoder.h: the transformer layers of BERT (Devlin et al. 2018), which RoCBert, RoFormer and
 * RoBERTa-PreLayerNorm have too: their numbers, weights and scratch, and the layer itself.
 *
 * As a decoder the layers may attend to an encoder's states as well.
 */
#ifndef MODEL_ENCODER_H
#define MODEL_ENCODER_H

#include "model/attention.h"

typedef struct EncoderConfig
{
	int				hidden_size, n_layers, intermediate_size;
	int				vocab_size, type_vocab_size, max_positions;
	float			layer_norm_eps;
	Activation		hidden_act;
	AttentionConfig attention;
	bool			cross_attention;
	bool			norm_first; /* norms in front of what they serve: the family's choice */
} EncoderConfig;

typedef struct EncoderLayer
{
	Matrix query_key_value;	 /* (3 hidden, hidden) */
	Table  distance;		 /* (2 max_positions - 1, head_dim), with relative positions */
	Matrix attention_output; /* (hidden, hidden) */
	Norm   attention_norm;
	Matrix cross_query;		/* (hidden, hidden); this and what follows with cross-attention */
	Matrix cross_key_value; /* (2 hidden, hidden) */
	Matrix cross_output;	/* (hidden, hidden) */
	Norm   cross_norm;
	Matrix intermediate; /* (intermediate, hidden) */
	Matrix output;		 /* (hidden, intermediate) */
	Norm   output_norm;	 /* behind the output, or in front of the intermediate */
} EncoderLayer;

typedef struct EncoderState
{
	Pass		pass;
	Activations hidden_states; /* (tokens, hidden) */
	Activations normed;		   /* (tokens, hidden), with norm_first */
	Activations qkv;		   /* (tokens, 3 hidden) */
	Activations query;		   /* (tokens, hidden) of cross-attention: columns of qkv */
	Activations context;	   /* (tokens, hidden) */
	Activations encoder_kv;	   /* (seqs source, 2 hidden) keys and values of an encoder's states */
	Activations intermediate;  /* (tokens, intermediate), where qkv and context were */
} EncoderState;

/* Reads the numbers, and fills the Model's public ones.  vocab_size, max_positions and pad_token_id
 * are the family's defaults. */
extern bool encoder_configure(EncoderConfig *config, const Params *params, int vocab_size,
							  int max_positions, int pad_token_id, Model *model, Error *error);

/* Reads position_embedding_type: absolute positions are in the embeddings, relative ones in
 * attention. */
extern bool encoder_configure_positions(EncoderConfig *config, const Params *params, Model *model,
										Error *error);

/* Whether positions are in the embeddings. */
extern bool encoder_has_absolute_positions(const EncoderConfig *config);

extern bool encoder_bind(EncoderLayer *layers, const EncoderConfig *config, Binder *binder);

/* Lays out what the layers need, products of at most max_k columns on the left; overlay is left where
 * scratch begins that is free before the first layer and behind the last one.  The carver ends behind
 * all of it. */
extern void encoder_carve(EncoderState *state, const EncoderConfig *config, int max_k, int threads,
						  Carver *carver, Carver *overlay);

/* x = LN(x + Wo · attention(x) + bo); x = LN(x + W2 · act(W1 · x + b1) + b2), with a block like the
 * first between them for an encoder's states; for all layers.  hidden_states are captured.
 * positions: the sines and cosines of rotary positions, else NULL. */
extern bool encoder_layers(EncoderState *state, const EncoderConfig *config,
						   const EncoderLayer *layers, const Table *positions);

/* Whether a pass has an encoder's states to attend to. */
extern bool encoder_has_source(const Pass *pass);

#endif
