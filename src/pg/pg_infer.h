/*
 * pg_infer.h: what the files of src/pg share.
 *
 *	 module.c	   _PG_init: settings, shared memory, the engine's registration
 *	 report.c	   the core's Error to ereport
 *	 registry.c	   models of the cluster by digest: residency and counters		(shared memory)
 *	 queue.c	   requests from backends to the engine and back				(shared memory)
 *	 engine.c	   the process that computes
 *	 stats.c	   what the views of "Watching" read
 *	 model_type.c  type infer.model
 *	 catalog.c	   the foreign-data wrapper, create_model and its siblings
 *	 import.c	   runs the command pg_infer import as a child process
 *	 handle.c	   this backend's view of a model: its image mapped, its tokenizer open
 *	 text.c		   tokenize, encode, decode, count_tokens, vocab, chunks
 *	 embed.c	   embed, embed_many
 *	 vector.c	   cosine_similarity, inner_product, l2_distance
 */
#ifndef PG_INFER_H
#define PG_INFER_H

#include "postgres.h"

#include "fmgr.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "base/error.h"
#include "image/image.h"
#include "task/embed.h"
#include "tok/tokenizer.h"

/* ---- report.c ---- */

/* Throws the core's error; model (may be NULL) is named in the message: model "minilm": ... */
extern void report_error(const Error *error, const char *model) pg_attribute_noreturn();
extern int	error_sqlstate(ErrorCode code);

/* Throws "pg_infer must be loaded via shared_preload_libraries" unless it was. */
extern void require_preload(void);

/* ---- model_type.c: a value of type infer.model ---- */

typedef struct InferModel
{
	int32 vl_len_;
	uint8 digest[IMAGE_DIGEST_BYTES];
	char  name[FLEXIBLE_ARRAY_MEMBER]; /* without NUL: VARSIZE tells */
} InferModel;

#define PG_GETARG_INFER_MODEL(n) ((InferModel *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

extern InferModel *infer_model_make(const char *name, const uint8 *digest);
extern char		  *infer_model_name(const InferModel *model);	   /* palloc'd */
extern void		   digest_to_hex(const uint8 *digest, char *hex);  /* 64 digits and NUL */
extern bool		   digest_from_hex(const char *hex, uint8 *digest); /* all 64 digits */

/* ---- catalog.c ---- */

/* Where the image of a digest lies, relative to $PGDATA: "pg_infer/<64 hex>.img"; palloc'd. */
extern char *image_path(const uint8 *digest);

/* ERROR unless the current user may use the model and its server knows this digest. */
extern void check_model_usage(const InferModel *model);

/* The digests that a model name stands for in this database; used by the type's input function. */
extern bool model_current_digest(const char *name, uint8 *digest);

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
} ModelHandle;

/* The handle for a model argument: checks usage (cached until the catalog changes), maps the image at first
 * use in this backend.  Lives as long as the backend.  ERROR when the image is missing or damaged. */
extern ModelHandle *model_handle(const InferModel *model);

/* The arena for one call's tokenization; reset by whoever starts a call.  Capped. */
extern Arena *backend_arena(void);

/* Encodes with the backend's arena, interruptible, errors thrown with the model's name. */
extern void handle_encode(ModelHandle *handle, const char *text, size_t length, const char *pair,
						  size_t pair_length, EncodeOptions *options, Encoding *encoding);

/* 'error' | 'end' | 'start', NULL: the model's default. */
extern Truncate truncate_from_arg(const ModelHandle *handle, const char *value);

/* ---- registry.c: shared memory, one entry a digest, LWLock pg_infer_registry ---- */

typedef enum Residency
{
	MODEL_ABSENT,	/* not loaded; the engine loads it when a request comes */
	MODEL_LOADING,
	MODEL_RESIDENT,
	MODEL_FAILED	/* the last load failed: error says why; retried at the next request */
} Residency;

typedef struct ModelEntry
{
	bool			 used;
	uint8			 digest[IMAGE_DIGEST_BYTES];
	pg_atomic_uint32 residency; /* Residency; written by the engine */
	pg_atomic_uint32 wanted;	/* load_model: keep; unload_model: let go.  RegistryWish */
	uint64			 size;		/* bytes of the image; under the lock */
	TimestampTz		 loaded_at, last_used;
	char			 error[512]; /* under the lock */

	/* counters since stat_reset, cluster-wide; added to by engine and backends without the lock */
	pg_atomic_uint64 requests, items, tokens, batches, errors, cancels;
	pg_atomic_uint64 batch_capacity_tokens; /* sum over batches of what they could have held */
	pg_atomic_uint64 queue_us, run_us;
} ModelEntry;

extern Size		   registry_size(void);
extern void		   registry_init(void); /* in the startup hook */
extern int		   registry_lookup(const uint8 *digest, bool create);
extern ModelEntry *registry_entry(int index);
extern int		   registry_capacity(void);

/* ---- queue.c: shared memory; the state of a slot says who owns it ---- */

typedef enum RequestKind
{
	REQUEST_EMBED,
	REQUEST_LOAD,  /* load and keep; answered when resident or failed */
	REQUEST_UNLOAD,
	REQUEST_VERIFY /* replay the golden input; result: largest deviation */
} RequestKind;

/* The payload of REQUEST_EMBED, laid out by embed_payload_*(): this header, int32 offsets[n_items + 1],
 * int32 ids[n_tokens], int32 type_ids[n_tokens], then float4 results[n_items][dimensions], 64-byte aligned. */
typedef struct EmbedPayload
{
	int32 n_items, n_tokens, dimensions;
	int32 pooling; /* Pooling */
	bool  normalize;
} EmbedPayload;

extern Size	   embed_payload_size(int n_items, int n_tokens, int dimensions);
extern int32  *embed_payload_offsets(EmbedPayload *payload);
extern int32  *embed_payload_ids(EmbedPayload *payload);
extern int32  *embed_payload_type_ids(EmbedPayload *payload);
extern float4 *embed_payload_results(EmbedPayload *payload);

typedef struct Request Request; /* this backend's hold on a slot */

/* Takes a slot and payload memory, waiting for them where there are none (back-pressure); interruptible.
 * More than pg_infer.queue_memory holds at all is an ERROR.  The request is given up by itself when the
 * surrounding (sub)transaction or portal ends before request_end: it is owned by CurrentResourceOwner. */
extern Request *request_begin(ModelHandle *handle, RequestKind kind, Size payload_size);
extern void	   *request_payload(Request *request);
extern void		request_submit(Request *request);
extern bool		request_done(Request *request); /* without waiting */
extern void		request_wait(Request *request); /* throws the request's error, or the cancel */
extern void		request_end(Request *request);	/* frees slot and payload */

/* ---- settings (module.c) ---- */

extern int	 infer_threads, infer_engines, infer_memory_mb, infer_cache_memory_mb, infer_queue_memory_mb;
extern int	 infer_batch_tokens, infer_prefetch_rows, infer_isa;
extern bool	 infer_prefetch;
extern char *infer_model_directory, *infer_preload_models;
extern bool	 infer_preloaded; /* in shared_preload_libraries */

extern PGDLLEXPORT void pg_infer_engine_main(Datum arg);

#endif
