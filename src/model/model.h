/*
 * model.h: the one interface of all model families.
 *
 * A family is one file: it reads its Config from params, names its tensors once (bind: the importer
 * walks the same list to pack them that the engine walks to find them), and computes.  Config
 * (numbers), Weights (const pointers into the image) and State (scratch in a workspace) are never
 * mixed.
 *
 * The forward pass is a list of blocks (model/block.h); the leader of a crew (base/team.h) runs it
 * and the crew shares the work of each.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/team.h"
#include "image/image.h"
#include "math/kernels.h"

typedef enum Head
{
	HEAD_BASE,
	HEAD_MASKED_LM,
	HEAD_CAUSAL_LM,
	HEAD_SEQUENCE_CLASSIFICATION,
	HEAD_MULTIPLE_CHOICE,
	HEAD_TOKEN_CLASSIFICATION,
	HEAD_QUESTION_ANSWERING,
	HEAD_NEXT_SENTENCE,
	HEAD_PRE_TRAINING
} Head;

typedef struct Architecture
{
	const char *name; /* the Transformers class, "BertModel" */
	Head		head;
	const char *evidence; /* a tensor that tells it where config.json names no class; or NULL */
} Architecture;

/* ---- naming and binding tensors ---- */

#define BINDER_MAX_PARTS 3

/*
 * What a family needs under one name in the image.  A matrix may be several of the checkpoint's
 * linear layers, one below the other (query, key and value are one product).
 */
typedef struct TensorSpec
{
	SectionType type; /* SECTION_MATRIX, SECTION_TABLE or SECTION_VECTOR */
	const char *name; /* in the image */
	int			n_parts;
	const char *parts[BINDER_MAX_PARTS]; /* names in the state_dict, ".weight" included */
	int			rows[BINDER_MAX_PARTS];	 /* of each part; a vector's length */
	int			columns;  /* of a vector that the checkpoint has as a matrix; else 1 */
	bool		bias;	  /* a matrix with biases: part with ".weight" replaced by ".bias" */
	bool		optional; /* may be absent: then the destination stays NULL / zero */
	bool
		directed; /* a vector of one direction, which a checkpoint may have of both: the first half */
	/* Of a table that is fp32 in every image: makes it where the checkpoint has none.  NULL: an
	 * ordinary one. */
	void (*compute)(float *table, int rows, int columns);
	/* Of a spec with one part; NULL: none. */
	const char *otherwise;		/* the part's name where the checkpoint does not have parts[0] */
	const char *bias_name;		/* the bias, where it does not have the weight's name */
	const char *bias_otherwise; /* and its name where the checkpoint does not have that */
} TensorSpec;

typedef struct Binder Binder;

struct Binder
{
	/* Satisfies one spec.  destination: Matrix *, Table * or const float **.  An importer's binder
	 * packs and writes, and leaves the destination alone. */
	bool (*tensor)(Binder *binder, const TensorSpec *spec, void *destination);
	Error *error;
};

/* Shorthands; format and arguments make the name below the base prefix, as
 * "encoder.layer.%d.output". */
extern bool bind_matrix(Binder *binder, Matrix *matrix, int n, int k, bool bias, const char *format,
						...)
	__attribute__((format(printf, 6, 7))); /* the checkpoint has <name>.weight and <name>.bias */
extern bool bind_optional_matrix(Binder *binder, Matrix *matrix, int n, int k, bool bias,
								 const char *format, ...)
	__attribute__((format(printf, 6, 7))); /* absent: matrix->panels is NULL */
extern bool bind_table(Binder *binder, Table *table, int rows, int columns, const char *format, ...)
	__attribute__((format(printf, 5, 6))); /* <name>.weight */
/* The same for what can be computed, and is too fine for less than fp32. */
extern bool bind_computed_table(Binder *binder, Table *table, int rows, int columns,
								void (*compute)(float *table, int rows, int columns),
								const char *name);
/* <name> as it is: (rows, columns), or (rows) with 1 column; dimensions of 1 may follow. */
extern bool bind_vector(Binder *binder, const float **vector, int rows, int columns,
						const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same of one direction, the first half where a checkpoint of both directions is taken for it. */
extern bool bind_directed_vector(Binder *binder, const float **vector, int rows, int columns,
								 const char *format, ...) __attribute__((format(printf, 5, 6)));
extern bool bind_norm(Binder *binder, const float **weight, const float **bias, int n,
					  const char *format, ...)
	__attribute__((format(printf, 5, 6))); /* <name>.weight, <name>.bias; bias NULL: without */
/* Layers of n rows each as one matrix, <prefix>.<name> in the image: the checkpoint's
 * <prefix>.<parts[i]>.weight and .bias, one below the other; format and arguments make the
 * prefix. */
extern bool bind_stacked(Binder *binder, Matrix *matrix, int n, int k, bool bias, const char *name,
						 const char *const *parts, int n_parts, const char *format, ...)
	__attribute__((format(printf, 9, 10)));

/*
 * A table of word embeddings and the matrix that gives logits from hidden states, (n, k).  Tied, they
 * are one tensor, which the checkpoint may have under either name; it counts as the output's where
 * it is there twice, as Transformers loads that last.  Untied, each has its own.  The bias of the
 * output, called <bias> or <bias_otherwise>; both NULL: without.  A head that has no such output
 * binds its words with bind_table.
 */
extern bool bind_words_and_output(Binder *binder, Table *words, Matrix *output, int n, int k,
								  bool tied, const char *words_name, const char *output_name,
								  const char *bias, const char *bias_otherwise);

/* The binder that finds tensors in an open image; a missing one is ERR_NOT_FOUND, another size
 * ERR_DATA. */
typedef struct ImageBinder
{
	Binder		 binder;
	const Image *image;
} ImageBinder;

extern void image_binder_init(ImageBinder *binder, const Image *image, Error *error);

/* ---- what a decoder keeps ---- */

/*
 * What forward keeps of a sequence between calls, in floats.  Keys and values are in pages of the same
 * number of tokens, a multiple of CACHE_PANEL, each (n_layers) times keys (heads, page_tokens / 32, key_width / heads,
 * 32) and values (heads, page_tokens, value_width / heads): a step of decoding reads each head's keys and values from
 * one end to the other, the keys across the lanes of a vector.  What does not grow with the tokens is the rest, (n_layers) times keys and values of the encoder's states (heads, source,
 * cross_key_width / heads) and so on, and state.
 */
#define CACHE_PANEL PANEL

typedef struct CacheLayout
{
	int n_layers;
	int heads;								/* model_configure sets it: n_heads, or 1 */
	int key_width, value_width;				/* of each token; 0: the family keeps nothing */
	int cross_key_width, cross_value_width; /* of each encoder position; 0: no cross-attention */
	int state;								/* of the sequence (MEGA's moving average) */
} CacheLayout;

/*
 * One sequence's.  A cache without pages is one page of at least capacity tokens with its rest behind it, all
 * at data.
 *
 * Transformers computes some things differently for tokens that follow a cache than for those of a
 * text's first pass.  Where continues is set, the batch's tokens go on with that first pass: cut into
 * chunks, it gives the numbers of the whole.
 */
typedef struct Cache
{
	float		 *data;		   /* (cache_floats), or with pages the rest: (cache_rest_floats) */
	float *const *pages;	   /* (capacity / page_tokens), each (cache_page_floats); or NULL */
	int			  page_tokens; /* of a page; not looked at without */
	int			  capacity;	   /* tokens that it has room for */
	int			  length;	   /* tokens in it: forward adds the batch's */
	int			  padding;	   /* of them, those that are pad_token_id: forward adds likewise */
	bool		  continues;
	int			  source;	  /* encoder positions it has room for; 0: none */
	bool		  has_source; /* their keys and values are there; forward computes them otherwise */
} Cache;

/* One layer's part of it. */
typedef struct CacheLayer
{
	size_t keys, values; /* where they begin in a page, in floats */
	float *cross_keys, *cross_values, *state;
} CacheLayer;

extern size_t	  cache_page_floats(const CacheLayout *layout, int page_tokens);
extern size_t	  cache_rest_floats(const CacheLayout *layout, int source);
extern size_t	  cache_floats(const CacheLayout *layout, int capacity, int source);
extern CacheLayer cache_layer(const CacheLayout *layout, const Cache *cache, int layer);

/* Keeps the key and value of a token in one head. */
extern void cache_put(const CacheLayout *layout, const Cache *cache, const CacheLayer *layer,
					  int head, int token, const float *key, const float *value);

/* Copies the first tokens' keys and values from one cache to another; neither has pages. */
extern void cache_copy(const CacheLayout *layout, const Cache *from, const Cache *to, int length);

/* The keys and values of one head as attention() takes them; the cache must not move. */
extern void cache_attend(const CacheLayout *layout, const Cache *cache, int layer, int head,
						 AttentionArgs *args);

/* ---- a batch ---- */

/* Takes a head's logits when they are too many to be kept: the pass computes rows_at_once of them, the
 * last time fewer, calls take() on the crew's leader, and puts the next ones in their place. */
typedef struct LogitsTaker LogitsTaker;

struct LogitsTaker
{
	int rows_at_once;
	void (*take)(LogitsTaker *taker, const Crew *crew, int first, int n);
};

/*
 * Sequences laid end to end; no padding.
 *
 * The first group of fields is all that texts need.  What the second has is NULL or 0 then; it comes
 * from infer.forward, and but for the caches its sequences have all the same length (and the caches
 * with a mask, too), so that arrays over them have Transformers' shapes.  Outputs are written
 * where their pointers say, dense; NULL: not wanted.
 */
typedef struct Batch
{
	int			   n_seqs, n_tokens;
	const int32_t *offsets;		   /* (n_seqs + 1) first token of each sequence */
	const int32_t *input_ids;	   /* (n_tokens), each inside the vocabulary: model_check() */
	const int32_t *token_type_ids; /* (n_tokens) or NULL: zeros */
	const int32_t *position_ids;   /* (n_tokens) or NULL: the family's own */
	bool		   pooler;		   /* the pooler's output is wanted too */

	/* inputs */
	const float	  *inputs_embeds;	  /* (n_tokens, embedding_size) instead of input_ids */
	const int32_t *shape_ids;		  /* (n_tokens), RoCBert; NULL: not given */
	const int32_t *pronunciation_ids; /* (n_tokens), RoCBert; NULL: not given */
	const float	  *attention_mask;	  /* (n_seqs, mask_rows, max_keys): 1 seen, 0 not, or between */
	int			   mask_rows;		  /* 1 for all queries, or one for each token of a sequence */
	const float	  *head_mask;		  /* (n_layers, n_heads) */
	int			   source;			  /* encoder positions of each sequence; 0: none */
	const float	  *encoder_states;	  /* (n_seqs, source, layer_size) */
	const float	  *encoder_mask;	  /* (n_seqs, encoder_mask_rows, source) */
	int			   encoder_mask_rows;
	Cache		  *caches; /* (n_seqs): the tokens follow what is there, and are added */
	int max_keys; /* most keys of one sequence, cached ones included; 0: n_tokens at most */

	/* outputs */
	float		  *logits;			 /* (n_logit_rows, n_outputs): the head is computed */
	int			   n_logit_tokens;	 /* rows of a head on tokens; 0: all tokens */
	const int32_t *logit_tokens;	 /* (n_logit_tokens) which tokens these are */
	LogitsTaker	  *logits_taker;	 /* NULL: logits has room for all rows */
	float		  *pair_logits;		 /* (n_seqs, 2), BertForPreTraining */
	float		  *hidden_states;	 /* (n_hidden_states, n_tokens, layer_size) */
	float		  *attentions;		 /* (n_layers, n_seqs, n_heads, length, max_keys) */
	float		  *cross_attentions; /* (n_layers, n_seqs, n_heads, length, source) */
} Batch;

/* What forward leaves in the workspace; valid until its next use. */
typedef struct Output
{
	const float *hidden_states; /* (n_tokens, hidden_size), stride ld: last_hidden_state */
	long		 ld;
	const float *pooled; /* (n_seqs, hidden_size), stride ld; NULL unless asked for and there */
} Output;

/* Memory for a forward pass; its owner allocates model_workspace() bytes, 64-byte aligned, once. */
typedef struct Workspace
{
	char  *base;
	size_t size;
} Workspace;

typedef struct Family Family;

/* What config.json's problem_type says of a sequence classification's labels. */
typedef enum ProblemType
{
	PROBLEM_BY_LABELS, /* nothing: the labels decide */
	PROBLEM_REGRESSION,
	PROBLEM_SINGLE_LABEL,
	PROBLEM_MULTI_LABEL
} ProblemType;

typedef struct Model
{
	const Family  *family;
	const Kernels *kernels;
	const char	  *architecture; /* the class */
	Head		   head;
	const void	  *config;	/* the family's */
	const void	  *weights; /* the family's */
	const Image	  *image;

	/* Numbers of every config: model_configure fills them, a family may change them. */
	int			n_labels;
	ProblemType problem_type;
	bool		is_decoder; /* causal: it returns caches */
	bool		use_cache;	/* config.json's default of the argument, as the next two */
	bool		output_hidden_states, output_attentions;
	bool		tie_word_embeddings;

	/* Numbers that the family fills. */
	int	 hidden_size;	 /* of last_hidden_state */
	int	 layer_size;	 /* of hidden_states: another where OPT projects */
	int	 embedding_size; /* of inputs_embeds */
	int	 n_layers;
	int	 n_heads;				/* of head_mask; 0: the family takes none */
	bool head_mask_by_layer;	/* head_mask must name the layers (OPT) */
	bool takes_cross_head_mask; /* and ignores it, as Transformers' class does */
	int	 vocab_size;
	int	 type_vocab_size;		   /* 0: the family takes no token_type_ids */
	int	 shape_vocab_size;		   /* RoCBert; 0 elsewhere: it takes none */
	int	 pronunciation_vocab_size; /* likewise */
	int	 max_tokens;  /* positions the weights allow in one sequence; INT_MAX: no limit */
	int	 max_columns; /* tokens of one sequence, where padding takes no position; else those */
	int	 n_positions; /* position_ids are 0 .. n_positions - 1; 0: the family takes none */
	bool ignores_positions; /* n_positions is 0, but the class takes position_ids (relative ones) */
	int	 pad_token_id;
	bool has_cross_attention;
	bool has_pair_logits;	  /* BertForPreTraining: a second output */
	bool labels_drop_cache;	  /* with labels the class returns no cache */
	bool sequence_has_cache;  /* its sequence classifier takes and returns caches (OPT) */
	bool choice_sees_padding; /* a choice's score depends on how far it is padded (RoFormer) */
	bool has_pooler;		  /* known once the weights are bound */
	CacheLayout cache;		  /* of a decoder */

	Arena arena; /* config and weights */
} Model;

struct Family
{
	const char		   *model_type;	   /* config.json's, "bert" */
	const char		   *base_prefix;   /* "bert." */
	const Architecture *architectures; /* ends with a NULL name; the first is the base model */
	size_t				config_size;

	/* What config.json may leave out, as JSON, with Transformers' defaults; and a key that is hidden_size then. */
	const char *defaults;
	const char *width_key; /* NULL: none */

	/* Numbers from config.json, family defaults for what is missing; checks that they go together,
	 * and fills the Model's public numbers. */
	bool (*configure)(void *config, const Params *params, Model *model, Error *error);

	/* Bytes of the family's weights for a config. */
	size_t (*weights_size)(const void *config);

	/* Names every tensor that the head needs, in an order that depends on config and head only;
	 * says in model->has_pooler what it found. */
	bool (*bind)(Model *model, void *weights, Binder *binder);

	/* What the family asks of a batch beyond model_check's rules; NULL: nothing. */
	bool (*check)(const Model *model, const Batch *batch, Error *error);

	/* The last dimensions of attentions, or of cross_attentions, for sequences of a length: (heads,
	 * length, keys), from the left; returns how many.  NULL: those three. */
	int (*attention_dims)(const Model *model, int length, int keys, bool cross, int *dims);

	/* Bytes that forward needs for a batch like this one or smaller, and a crew of so many threads.
	 * Only its sizes are looked at, and which pointers are NULL; offsets may be. */
	size_t (*workspace)(const Model *model, const Batch *largest, int threads);

	/* Computes, on the leader of the crew; false when cancelled. */
	bool (*forward)(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
					Output *output);
};

extern const Family family_bert;				 /* bert.c */
extern const Family family_roberta_prelayernorm; /* roberta_prelayernorm.c */
extern const Family family_roc_bert;			 /* roc_bert.c */
extern const Family family_roformer;			 /* roformer.c */
extern const Family family_opt;					 /* opt.c */
extern const Family family_mega;				 /* mega.c */

/* All families, ending with NULL; and the one for a model_type, or NULL. */
extern const Family *const families[];
extern const Family		  *family_find(const char *model_type);

/* Decides family and head from config.json (and the option "architecture", NULL when not given):
 * fills family, head, config and the public numbers.  Weights are not touched.  The class is the
 * option's, else config.json's architectures[0], else the family's base model; the family is
 * model_type's, else the one that has this class.  model_close gives the memory back, after a
 * failure too. */
extern bool model_configure(Model *model, const Params *config, const char *architecture,
							Error *error);

/* The class that a checkpoint's tensors tell (has(argument, name): there is one of that name), for a
 * config.json that names none; NULL: it does, or no head is to be seen. */
extern const char *model_class_by_tensors(const Params *config,
										  bool (*has)(const void *argument, const char *name),
										  const void *argument);

/* Has the family name every tensor of a configured model to a binder: an importer's, or the
 * image's. */
extern bool model_bind(Model *model, Binder *binder);

/* A model over an open image: configured and bound, ready to compute.  It must outlive the model.
 */
extern bool model_open(Model *model, const Image *image, const Kernels *kernels, Error *error);
extern void model_close(Model *model);

/* For families: is_decoder and add_cross_attention, which needs it, into model and its cache, whose
 * keys and values have a width. */
extern bool model_configure_decoder(Model *model, const Params *config, int width, Error *error);

/* For families: question answering has two labels, a start and an end. */
extern bool model_check_two_labels(const Model *model, Error *error);

/* Numbers in a row of logits: the vocabulary's, n_labels, 1 (a choice's score) or 2; 0 for a base
 * model.  And whether there is a row for each token, or for each sequence. */
extern int	head_outputs(const Model *model);
extern bool head_is_by_token(Head head);

/* How many hidden_states there are: n_layers + 1, less the last where it has another width. */
extern int model_hidden_states(const Model *model);

/* Checks a batch against the model: ids, types, positions, lengths; the error names value and
 * bound. */
extern bool model_check(const Model *model, const Batch *batch, Error *error);

/* Bytes that forward needs for texts within these bounds. */
extern size_t model_workspace(const Model *model, int max_tokens, int max_seqs, int threads);

/* The family's forward; caches then have the batch's tokens. */
extern bool model_forward(const Model *model, const Batch *batch, Workspace *workspace,
						  const Crew *crew, Output *output);

extern const char *head_name(Head head);

#endif
