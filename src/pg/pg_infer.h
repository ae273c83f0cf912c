/*
 * pg_infer.h: what the files of src/pg share.
 *
 *	 module.c	   _PG_init: settings, shared memory, the engine's registration
 *	 report.c	   the core's Error to ereport
 *	 registry.c	   models of the cluster by digest: residency and counters		(shared memory)
 *	 queue.c	   requests from backends to the engine and back				(shared memory)
 *	 engine.c	   the processes that compute
 *	 resident.c	   what an engine has loaded, and what is to be loaded
 *	 stats.c	   what the views of "Watching" read
 *	 model_type.c  type infer.model
 *	 catalog.c	   the foreign-data wrapper: servers and their options, who may use them
 *	 store.c	   $PGDATA/pg_infer: images, and which models refer to them
 *	 models.c	   create_model and its siblings, view infer.models
 *	 import.c	   runs the command pg_infer import as a child process
 *	 lookahead_plan.c  plans get nodes that look ahead
 *	 lookahead.c   what such a node does
 *	 ahead.c	   works that are computed before they are asked for
 *	 handle.c	   this backend's view of a model: its image mapped, its tokenizer open
 *	 text.c		   tokenize, encode, decode, count_tokens, vocab, chunks
 *	 texts.c	   the payload of a request for texts
 *	 work.c		   texts on their way to an engine, and what comes back
 *	 portions.c	   arrays of texts, in one request after the other
 *	 task.c		   functions over texts: arguments to items, results to rows
 *	 embed.c	   embed, embed_many, similarity
 *	 service.c	   which functions a model serves
 *	 window_work.c the windows of long texts, computed some at a time
 *	 tag.c		   tag
 *	 answer.c	   answer, answers
 *	 fill_mask.c   fill_mask
 *	 classify.c	   classify and its siblings, zero_shot, score, rerank
 *	 choose.c	   choose, choose_scores
 *	 likelihood.c  log_likelihood, perplexity, token_logprobs
 *	 forward.c	   forward
 *	 generate.c	   generate, generate_many, generate_enum, generate_row, generate_ids, generate_ids_many, generate_stream
 *	 generation_request.c  the payload of a request for generated text
 *	 generator.c   the part of an engine that generates
 *	 support.c	   what the planner is told of calls
 *	 vector.c	   cosine_similarity, inner_product, l2_distance
 */
#ifndef PG_INFER_H
#define PG_INFER_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "base/error.h"
#include "image/image.h"
#include "task/embed.h"
#include "tok/tokenizer.h"

/* ---- report.c ---- */

/* Throws the core's error; model (may be NULL) is named in the message: model "minilm": ... */
extern void report_error(const Error *error, const char *model) __attribute__((noreturn));
/*
 * The SQLSTATE of an ErrorCode:
 *	 ERR_ARGUMENT	  22023 invalid_parameter_value
 *	 ERR_DATA		  22000 data_exception
 *	 ERR_LIMIT		  54000 program_limit_exceeded
 *	 ERR_NOT_FOUND	  58P01 undefined_file
 *	 ERR_UNSUPPORTED  0A000 feature_not_supported
 *	 ERR_PERMISSION	  42501 insufficient_privilege
 *	 ERR_IO			  58030 io_error
 *	 ERR_MEMORY		  53200 out_of_memory
 *	 ERR_CORRUPT	  XX001 data_corrupted
 *	 ERR_CANCELLED	  57014 query_canceled
 */
extern int error_sqlstate(ErrorCode code);

/* Throws "pg_infer must be loaded via shared_preload_libraries" unless it was. */
extern void require_preload(void);

/* ---- model_type.c: a value of type infer.model ---- */

typedef struct InferModel
{
	int32 vl_len_;
	uint8 digest[IMAGE_DIGEST_BYTES];
	char  name[FLEXIBLE_ARRAY_MEMBER]; /* without NUL: VARSIZE tells */
} InferModel;

/* With its whole digest, whatever was stored. */
#define PG_GETARG_INFER_MODEL(n)                                                                   \
	infer_model_resolve((InferModel *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

extern const InferModel *infer_model_resolve(const InferModel *model);

#define DIGEST_HEX (2 * IMAGE_DIGEST_BYTES)

extern InferModel *infer_model_make(const char *name, const uint8 *digest);
extern char		  *infer_model_name(const InferModel *model);		/* palloc'd */
extern void		   digest_to_hex(const uint8 *digest, char *hex);	/* 64 digits and NUL */
extern bool		   digest_from_hex(const char *hex, uint8 *digest); /* all 64 digits */
extern bool		   digest_has_prefix(const uint8 *digest, const char *prefix); /* lower case hex */

/* 1 to 63 bytes, printable, without '@'; anything else is an ERROR with that code. */
extern void check_model_name(const char *name, int sqlerrcode);

/* ---- catalog.c: a model is a foreign server of the wrapper pg_infer ---- */

#define INFER_FDW "pg_infer"

typedef struct ModelServer
{
	Oid	   serverid, owner;
	char  *name;
	uint8  digest[IMAGE_DIGEST_BYTES];
	int	   n_previous;
	uint8 *previous; /* n_previous digests that update_model has replaced, the latest first */
	bool   preload;
	List  *options; /* of DefElem, as in pg_foreign_server */
} ModelServer;

extern ModelServer *model_server(const char *name, bool missing_ok);
extern List		   *model_servers(void); /* all of this database, by name */
extern bool			model_server_knows(const ModelServer *server, const uint8 *digest);
extern const char  *model_server_option(const ModelServer *server, const char *name); /* or NULL */

/* The model that a name, or a name and the first digits of a digest, stand for; prefix may be NULL.  Where no
 * model has the name any more, the digest finds it under its new one.  No such model: NULL where that is
 * missing_ok, else an ERROR. */
extern InferModel *model_resolve(const char *name, const char *prefix, bool missing_ok);

/* The server behind a model's name and digest, found in the same way. */
extern ModelServer *model_server_of(const char *name, const uint8 *digest);

/* ERROR unless the current user may use the model and its server knows this digest. */
extern void check_model_usage(const InferModel *model);

/* ERROR unless the current user owns the server. */
extern void check_model_owner(const ModelServer *server);

/* Reads create_model's options: a list of DefElem with text values, NULL for a JSON null.  Names and values
 * are checked as in CREATE SERVER; the server's own (digest, previous, path) can't be given. */
extern List *model_options_from_jsonb(Datum options);

/* The JSON text of an option's value, as the importer reads it; NULL where the importer isn't told. */
extern char *model_option_json(const DefElem *option);

extern void catalog_init(void);

/* ---- store.c: $PGDATA/pg_infer ---- */

/* Where the image of a digest lies, relative to $PGDATA: "pg_infer/<64 hex>.img"; palloc'd. */
extern char *image_path(const uint8 *digest);

/* The path of a new temporary file there, removed at the end of the transaction at the latest. */
extern char *store_temporary(void);

/* Removes it, and whatever was named after it. */
extern void store_remove_temporary(const char *path);

/* Makes a finished temporary file the image of this digest.  If the transaction aborts, or no model refers to
 * the image at its end, it is removed again.  Waits for other transactions that do the same. */
extern void store_adopt(const char *temporary, const uint8 *digest);

/* Whether this transaction has imported the image of this digest. */
extern bool store_adopted(const uint8 *digest);

/* Hooks and callbacks; in _PG_init. */
extern void store_init(void);

/* ---- import.c ---- */

/* Runs pg_infer import over a Hugging Face directory; the image comes to lie at output.  options: DefElems.
 * ERROR with the command's message when it refuses; cancelling the statement ends it. */
extern void import_run(const char *directory, const char *output, List *options, uint8 *digest);

/* The directory that create_model's path stands for: checks who may read it. */
extern char *import_directory(const char *path);

/* ---- handle.c ---- */

typedef struct ModelHandle
{
	uint8	  digest[IMAGE_DIGEST_BYTES];
	char	 *name; /* as last used in this backend, for errors */
	Image	  image;
	bool	  has_weights, has_tokenizer;
	Tokenizer tokenizer;
	int		  entry;	   /* index in the registry, or -1 before the first request */
	int		  hidden_size; /* 0 without weights */
	int		  max_length;  /* tokens a text may have, special ones included; INT_MAX: no limit */
	Truncate  truncate;	   /* the model's default */
	Pooling	  pooling;
	bool	  normalize;
	bool	  strips; /* whitespace at both ends of a text is not embedded */
	Model	 *model;  /* opened without kernels, for checks; NULL before handle_model */
} ModelHandle;

/* The handle for a model argument: checks usage (cached until the catalog changes), maps the image at first
 * use in this backend.  Lives as long as the backend.  ERROR when the image is missing or damaged. */
extern ModelHandle *model_handle(const InferModel *model);

/* The handle's model, to check arguments against: it can't compute.  ERROR without weights. */
extern const Model *handle_model(ModelHandle *handle);

/* ERROR unless the model has weights, a tokenizer. */
extern void require_weights(const ModelHandle *handle);
extern void require_tokenizer(const ModelHandle *handle);

/* What the planner asks of a model. */
typedef struct ModelSize
{
	uint8	  digest[IMAGE_DIGEST_BYTES];
	int64	  weights; /* in matrices: each is used for every token */
	Precision precision;
	int		  n_labels;
} ModelSize;

/* NULL where the image can't be opened; throws nothing. */
extern ModelSize *model_size(const InferModel *model);

/* Throws an error about a missing image: how to make it again. */
extern void report_image_error(const Error *error, const char *model) __attribute__((noreturn));

/* The arena for one call's tokenization; reset by whoever starts a call.  Capped, and small again after the
 * transaction. */
extern Arena *backend_arena(void);

/* The same for one window of a text at a time, while the text's tokens stay in the other. */
extern Arena *window_arena(void);

/* Whether the statement is to stop; for the core's callbacks. */
extern bool interrupt_pending(void *argument);

/* Encodes with the backend's arena, interruptible, errors thrown with the model's name.  pair may be NULL. */
extern void handle_encode(ModelHandle *handle, const char *text, size_t length, const char *pair,
						  size_t pair_length, EncodeOptions *options, Encoding *encoding);

/* 'error' | 'end' | 'start', NULL: the model's default. */
extern Truncate truncate_from_arg(const ModelHandle *handle, const char *value);

/* Between the server's encoding and UTF-8.  ERROR where characters do not correspond one to one. */
extern const char *text_to_utf8(const text *value, size_t *length);
extern text		  *text_from_utf8(const char *value, size_t length);

/* ---- vector.c ---- */

/* The cosine of the angle between two vectors; NaN where one of them is zero. */
extern double vector_cosine(const float4 *a, const float4 *b, int n);

/* A one-dimensional real[] with room for n numbers, not set. */
extern ArrayType *vector_make(int n);

/* ---- registry.c: shared memory, one entry a digest ---- */

typedef enum Residency
{
	MODEL_ABSENT, /* not loaded; an engine loads it when a request comes */
	MODEL_LOADING,
	MODEL_RESIDENT,
	MODEL_FAILED /* the last load failed: error says why; tried again at the next request */
} Residency;

/* Since stat_reset; a model has all of them, an engine those of its own work. */
typedef enum Counter
{
	COUNT_REQUESTS, /* answered */
	COUNT_ITEMS,
	COUNT_TOKENS,
	COUNT_BATCHES,
	COUNT_CAPACITY, /* tokens that those batches could have held */
	COUNT_RUN_US,
	COUNT_QUEUE_US,
	COUNT_ERRORS,
	COUNT_CANCELS,
	N_COUNTERS
} Counter;

/*
 * What the cluster knows about the model of one digest.  Fields under "lock" are guarded by the LWLock
 * pg_infer_registry, those under "queue" by pg_infer_queue, the others are atomic.
 */
typedef struct ModelEntry
{
	/* lock */
	bool		used;
	bool		pinned;	 /* load_model or a preload asked for it: never evicted */
	bool		leaving; /* engines let go as soon as they can, and begin nothing new */
	uint8		digest[IMAGE_DIGEST_BYTES];
	uint64		mapped;		/* a bit for each engine that has it */
	uint64		size;		/* bytes of the image, known from the first load on */
	TimestampTz loaded_at;	/* 0: not resident */
	char		error[512]; /* of the last load, when residency is MODEL_FAILED */

	/* queue: the requests that wait for an engine, oldest first; indexes of slots, -1: none */
	int head, tail;

	pg_atomic_uint32 residency; /* Residency */
	pg_atomic_uint32 users;		/* requests and engines that keep this entry */
	pg_atomic_uint64 last_used; /* TimestampTz */

	pg_atomic_uint64 counters[N_COUNTERS];
} ModelEntry;

extern Size registry_size(void);
extern void registry_init(void); /* in the startup hook */

/* The entry of a digest, created where there is none, with one user more; registry_release takes it away.  hint:
 * what this gave the last time, or -1.  Where all entries are taken it waits, interruptibly, until a model that
 * nobody uses has left the engines; ERROR when all are in use or kept. */
extern int	registry_acquire(const uint8 *digest, int hint);
extern void registry_release(int index);

#define REGISTRY_FULL (-1)	/* all are in use or kept */
#define REGISTRY_LATER (-2) /* a model is leaving: try again */

/* The same without waiting, for an engine: an entry, or one of these. */
extern int registry_try_acquire(const uint8 *digest, int hint);

/* The image of a digest has been removed, or a damaged one replaced: engines unmap it, whoever asked to keep it.  Both throw
 * nothing. */
extern void registry_removed(const uint8 *digest);
extern void registry_replaced(const uint8 *digest);

extern ModelEntry *registry_entry(int index);
extern int		   registry_count(void); /* entries 0 .. count - 1 have been used */
extern void		   registry_lock(LWLockMode mode);
extern void		   registry_unlock(void);
extern void		   registry_reset_stats(void);

static inline void
entry_count(ModelEntry *entry, Counter counter, uint64 by)
{
	pg_atomic_fetch_add_u64(&entry->counters[counter], by);
}

/* ---- queue.c: shared memory; requests from backends to engines and back ---- */

typedef enum RequestKind
{
	REQUEST_TEXTS,	  /* payload: TextsPayload (pg/texts.h) */
	REQUEST_LOAD,	  /* load and keep; done when resident.  No payload */
	REQUEST_UNLOAD,	  /* done when no engine has it any more.  No payload */
	REQUEST_FORWARD,  /* ForwardPayload (pg/forward.h) */
	REQUEST_GENERATE, /* GenerationPayload (pg/generation_request.h) */
	REQUEST_VERIFY	  /* replay the golden input; payload: VerifyPayload */
} RequestKind;

/* What REQUEST_VERIFY answers: the largest difference to what the importer stored, and what the engine's kernels
 * may have (0 unless they are another library's). */
typedef struct VerifyPayload
{
	int32  n_values;
	float4 deviation, tolerance;
} VerifyPayload;

typedef struct Request Request; /* this backend's hold on a slot */

/*
 * Takes a slot and payload memory (left as it is), waiting for them where there are none (back-pressure);
 * interruptible.  More than request_payload_max() is an ERROR.  The request is given up by itself when
 * the (sub)transaction or portal that began it ends before request_end: it is owned by
 * CurrentResourceOwner.  Who has many texts sends requests of about request_payload_share() bytes, and ends
 * each before it returns a row.
 *
 * A session that waits for room while it holds requests could wait for ever, as could the others.  So whoever
 * keeps a request while other code may begin one either says with request_on_settle how to do without it
 * (by waiting for its results, copying them and ending it), which is called before such a wait, or gives it up.
 */
extern Request *request_begin(ModelHandle *handle, RequestKind kind, Size payload_size);
extern Request *request_try_begin(ModelHandle *handle, RequestKind kind,
								  Size payload_size); /* NULL instead of waiting */
extern void		request_on_settle(Request *request, void (*settle)(void *argument), void *argument);
extern void	   *request_payload(Request *request);
extern void		request_submit(Request *request);
extern bool		request_done(Request *request); /* without waiting */
extern void		request_wait(Request *request); /* throws the request's error, or the cancel */
/* Waits until it is done, or there is enough: asked whenever the engine wakes this backend.  Throws the cancel. */
extern void request_wait_for(Request *request, bool (*enough)(void *argument), void *argument);
extern bool request_outcome(Request *request, Error *error); /* throws the cancel only */
extern void request_end(Request *request);					 /* frees slot and payload */

/* Nanoseconds that engines have computed for a request so far: its part of their batches' time, by tokens. */
extern int64 request_engine_ns(const Request *request);

/* Begin, submit, wait, end: for the kinds without a payload. */
extern void request_run(ModelHandle *handle, RequestKind kind);

extern Size request_payload_max(void);
extern Size request_payload_share(void);

/* ---- settings (module.c) ---- */

extern int	 infer_threads, infer_engines, infer_memory_kb, infer_queue_memory_kb;
extern int	 infer_cache_memory_kb;
extern int	 infer_batch_tokens, infer_isa, infer_prefetch_rows;
extern bool	 infer_prefetch;
extern char *infer_model_directory, *infer_preload_models;
extern bool	 infer_preloaded; /* in shared_preload_libraries */

extern PGDLLEXPORT void pg_infer_engine_main(Datum arg);

#endif
