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
	int			columns;				 /* 1 for a vector */
	bool		bias;	  /* a matrix with biases: part with ".weight" replaced by ".bias" */
	bool		optional; /* may be absent: then the destination stays NULL / zero */
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
extern bool bind_norm(Binder *binder, const float **weight, const float **bias, int n,
					  const char *format, ...)
	__attribute__((format(printf, 5, 6))); /* <name>.weight, <name>.bias; bias NULL: without */
/* Layers of n rows each as one matrix, <prefix>.<name> in the image: the checkpoint's
 * <prefix>.<parts[i]>.weight and .bias, one below the other; format and arguments make the
 * prefix. */
extern bool bind_stacked(Binder *binder, Matrix *matrix, int n, int k, bool bias, const char *name,
						 const char *const *parts, int n_parts, const char *format, ...)
	__attribute__((format(printf, 9, 10)));

/* The binder that finds tensors in an open image; a missing one is ERR_NOT_FOUND, another size
 * ERR_DATA. */
typedef struct ImageBinder
{
	Binder		 binder;
	const Image *image;
} ImageBinder;

extern void image_binder_init(ImageBinder *binder, const Image *image, Error *error);

/* ---- a batch ---- */

/* Sequences laid end to end; no padding. */
typedef struct Batch
{
	int			   n_seqs, n_tokens;
	const int32_t *offsets;		   /* (n_seqs + 1) first token of each sequence */
	const int32_t *input_ids;	   /* (n_tokens), each inside the vocabulary: model_check() */
	const int32_t *token_type_ids; /* (n_tokens) or NULL: zeros */
	const int32_t *position_ids;   /* (n_tokens) or NULL: the family's own */
	bool		   pooler;		   /* the pooler's output is wanted too */
} Batch;

/* What forward leaves in the workspace; valid until its next use. */
typedef struct Output
{
	const float *hidden_states; /* (n_tokens, hidden_size), stride ld: the last layer's */
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

typedef struct Model
{
	const Family  *family;
	const Kernels *kernels;
	const char	  *architecture; /* the class */
	Head		   head;
	const void	  *config;	/* the family's */
	const void	  *weights; /* the family's */
	const Image	  *image;
	int			   hidden_size, n_layers, vocab_size, type_vocab_size;
	int			   max_tokens; /* positions the weights allow in one sequence; INT_MAX: no limit */
	int	  n_positions;		   /* position_ids are 0 .. n_positions - 1; 0: the family takes none */
	bool  has_pooler;		   /* known once the weights are bound */
	Arena arena;			   /* config and weights */
} Model;

struct Family
{
	const char		   *model_type;	   /* config.json's, "bert" */
	const char		   *base_prefix;   /* "bert." */
	const Architecture *architectures; /* ends with a NULL name; the first is the base model */
	size_t				config_size;

	/* Numbers from config.json, family defaults for what is missing; checks that they go together,
	 * and fills the Model's public numbers. */
	bool (*configure)(void *config, const Params *params, Model *model, Error *error);

	/* Bytes of the family's weights for a config. */
	size_t (*weights_size)(const void *config);

	/* Names every tensor that the head needs, in an order that depends on config and head only;
	 * says in model->has_pooler what it found. */
	bool (*bind)(Model *model, void *weights, Binder *binder);

	/* Bytes that forward needs for batches within these bounds, and a crew of so many threads. */
	size_t (*workspace)(const Model *model, int max_tokens, int max_seqs, int threads);

	/* Computes, on the leader of the crew; false when cancelled. */
	bool (*forward)(const Model *model, const Batch *batch, Workspace *workspace, const Crew *crew,
					Output *output);
};

extern const Family family_bert; /* bert.c */

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

/* Has the family name every tensor of a configured model to a binder: an importer's, or the
 * image's. */
extern bool model_bind(Model *model, Binder *binder);

/* A model over an open image: configured and bound, ready to compute.  It must outlive the model.
 */
extern bool model_open(Model *model, const Image *image, const Kernels *kernels, Error *error);
extern void model_close(Model *model);

/* Checks a batch against the model: ids, types, positions, lengths; the error names value and
 * bound. */
extern bool model_check(const Model *model, const Batch *batch, Error *error);

extern size_t model_workspace(const Model *model, int max_tokens, int max_seqs, int threads);

extern const char *head_name(Head head);

#endif
