/*
 * page_pool.h: the memory that decoders keep keys and values in, page by page.
 *
 * A page holds the same number of tokens in every model; how large it is depends on the model.  Sequences
 * share pages that are full; a page goes when nobody holds it.  Pages of prompts can be published: who
 * finds the same tokens behind the same page later takes them as they are.  A published page that nobody
 * holds stays until its memory is wanted, the one that was used longest ago first.
 *
 * Memory never exceeds the pool's limit.  Who reserves what it may come to need gets its pages; one
 * thread at a time uses a pool.
 */
#ifndef TASK_PAGE_POOL_H
#define TASK_PAGE_POOL_H

#include "model/model.h"

#define PAGE_KEYS 3 /* numbers that tell a token: its id, shape and pronunciation */

typedef struct PagePool PagePool;
typedef struct Page		Page;

/* limit: bytes.  NULL when out of memory. */
extern PagePool *page_pool_create(size_t limit, int page_tokens, Error *error);
extern void		 page_pool_free(PagePool *pool);

/* A smaller limit frees what nobody holds; what is reserved stays. */
extern void page_pool_set_limit(PagePool *pool, size_t limit);

extern int	  page_pool_tokens(const PagePool *pool);
extern size_t page_pool_limit(const PagePool *pool);
extern size_t page_pool_reserved(const PagePool *pool);
extern size_t page_pool_held(const PagePool *pool); /* bytes of pages that sequences hold */

/* Bytes of a page of a model; the rest of a cache fits behind its tokens. */
extern size_t page_pool_bytes(const PagePool *pool, const Model *model);

/* Bytes that pages may take from now on, whoever else comes; false: they are not there now. */
extern bool page_pool_reserve(PagePool *pool, size_t bytes);
extern void page_pool_unreserve(PagePool *pool, size_t bytes);

/* A page of one's own, its numbers not set; NULL when out of memory. */
extern Page	 *page_take(PagePool *pool, const Model *model);
extern Page	 *page_share(Page *page);
extern void	  page_drop(PagePool *pool, Page *page);
extern float *page_data(const Page *page); /* (cache_page_floats) */

/* The hash of page_tokens tokens, keys (page_tokens, PAGE_KEYS), behind a page; before NULL: they are the
 * first.  Only published pages have anything behind them. */
extern uint64_t page_hash(const PagePool *pool, const Model *model, const Page *before,
						  const int32_t *keys);

/* The published page of these tokens, held by the caller from now on, or NULL. */
extern Page *page_find(PagePool *pool, const Model *model, Page *before, const int32_t *keys,
					   uint64_t hash);

/* Publishes a full page, which the caller goes on holding.  Where the same tokens have been published,
 * returns that page in its place.  state: what a cache's rest (cache_rest_floats) is behind the page's
 * last token, or NULL.  Out of memory, the page stays unpublished. */
extern Page *page_publish(PagePool *pool, const Model *model, Page *page, Page *before,
						  const int32_t *keys, uint64_t hash, const float *state);

extern bool page_is_published(const Page *page);

/* The state that was given with it; NULL: none. */
extern const float *page_state(const Page *page);

/* The model goes: its pages that nobody holds are freed. */
extern void page_pool_forget(PagePool *pool, const Model *model);

#endif
