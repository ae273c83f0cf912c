/*
 * page_pool.c: pages taken, shared, published and evicted.
 *
 * Pages are in one of three places: held by sequences; published and held by nobody, in the list of
 * idle ones; or spare, in the list of their model, whose next page takes one of them without asking the
 * system.  All of them count as allocated.  What is reserved is never less than what is held, so
 * whoever has reserved finds memory: everything else is idle or spare.
 */
#include "task/page_pool.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BUCKETS_MIN 1024
#define DATA_ALIGN 64

/* The pages of one model. */
typedef struct Shelf
{
	struct Shelf *next;
	const Model	 *model;
	size_t		  bytes; /* of a page's data, and of a state behind it */
	size_t		  state; /* where the state begins, in floats; its floats follow */
	size_t		  state_floats;
	Page		 *spare; /* linked by next */
} Shelf;

struct Page
{
	Shelf	*shelf;
	float	*data;
	int		 holders;
	bool	 published;
	uint64_t hash;
	Page	*before;   /* of a published one: the page in front of it, or NULL */
	int		 n_behind; /* published pages with this one in front of them */
	int32_t *keys;	   /* of a published one: (page_tokens, PAGE_KEYS) */
	bool	 has_state;
	Page	*next_in_bucket;  /* of a published one */
	Page	*next, *previous; /* in the idle list, or next in the shelf's */
};

struct PagePool
{
	size_t limit, allocated, reserved, held; /* bytes */
	int	   page_tokens;
	Shelf *shelves;
	Page  *newest, *oldest; /* idle pages */
	Page **buckets;			/* (n_buckets), a power of two */
	size_t n_buckets, n_published;
};

PagePool *
page_pool_create(size_t limit, int page_tokens, Error *error)
{
	PagePool *pool = calloc(1, sizeof *pool);

	if (pool != NULL)
		pool->buckets = calloc(BUCKETS_MIN, sizeof *pool->buckets);
	if (pool == NULL || pool->buckets == NULL)
	{
		free(pool);
		error_set(error, ERR_MEMORY, "out of memory for a pool of pages");
		return NULL;
	}
	pool->limit = limit;
	pool->page_tokens = page_tokens;
	pool->n_buckets = BUCKETS_MIN;
	return pool;
}

int
page_pool_tokens(const PagePool *pool)
{
	return pool->page_tokens;
}

size_t
page_pool_limit(const PagePool *pool)
{
	return pool->limit;
}

size_t
page_pool_reserved(const PagePool *pool)
{
	return pool->reserved;
}

size_t
page_pool_held(const PagePool *pool)
{
	return pool->held;
}

/* ---- lists ---- */

static void
idle_push(PagePool *pool, Page *page)
{
	page->previous = NULL;
	page->next = pool->newest;
	if (pool->newest != NULL)
		pool->newest->previous = page;
	else
		pool->oldest = page;
	pool->newest = page;
}

static void
idle_remove(PagePool *pool, Page *page)
{
	if (page->previous != NULL)
		page->previous->next = page->next;
	else
		pool->newest = page->next;
	if (page->next != NULL)
		page->next->previous = page->previous;
	else
		pool->oldest = page->previous;
}

static Page **
bucket(const PagePool *pool, uint64_t hash)
{
	return &pool->buckets[hash & (pool->n_buckets - 1)];
}

/* As many buckets as pages; where there is no memory for them, chains get longer. */
static void
grow_buckets(PagePool *pool)
{
	size_t n = 2 * pool->n_buckets, n_old = pool->n_buckets;
	Page **old = pool->buckets, **new;

	if (pool->n_published < pool->n_buckets || (new = calloc(n, sizeof *new)) == NULL)
		return;
	pool->buckets = new;
	pool->n_buckets = n;
	for (size_t i = 0; i < n_old; i++)
		for (Page *page = old[i], *next; page != NULL; page = next)
		{
			Page **to = bucket(pool, page->hash);

			next = page->next_in_bucket;
			page->next_in_bucket = *to;
			*to = page;
		}
	free(old);
}

/* ---- memory ---- */

static Shelf *
find_shelf(PagePool *pool, const Model *model)
{
	Shelf *shelf = pool->shelves;

	while (shelf != NULL && shelf->model != model)
		shelf = shelf->next;
	if (shelf != NULL || (shelf = calloc(1, sizeof *shelf)) == NULL)
		return shelf;
	*shelf = (Shelf){.next = pool->shelves,
					 .model = model,
					 .bytes = page_pool_bytes(pool, model),
					 .state = cache_page_floats(&model->cache, pool->page_tokens),
					 .state_floats = cache_rest_floats(&model->cache, 0)};
	pool->shelves = shelf;
	return shelf;
}

size_t
page_pool_bytes(const PagePool *pool, const Model *model)
{
	size_t bytes = (cache_page_floats(&model->cache, pool->page_tokens) +
					cache_rest_floats(&model->cache, 0)) *
				   sizeof(float);

	return bytes > 0 ? (bytes + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN : DATA_ALIGN;
}

/* Takes away what a page has because it is published. */
static void
unpublish(PagePool *pool, Page *page)
{
	Page **at = bucket(pool, page->hash);

	while (*at != page)
		at = &(*at)->next_in_bucket;
	*at = page->next_in_bucket;
	pool->n_published--;
	if (page->before != NULL)
		page->before->n_behind--;
	free(page->keys);
	page->keys = NULL;
	page->before = NULL;
	page->has_state = false;
	page->published = false;
}

static void
page_free(PagePool *pool, Page *page)
{
	pool->allocated -= page->shelf->bytes;
	free(page->data);
	free(page);
}

static void
put_spare(Page *page)
{
	page->next = page->shelf->spare;
	page->shelf->spare = page;
}

static void
free_spares(PagePool *pool, Shelf *shelf)
{
	while (shelf->spare != NULL)
	{
		Page *page = shelf->spare;

		shelf->spare = page->next;
		page_free(pool, page);
	}
}

/* The idle page that was used longest ago and has nothing behind it becomes spare: those that have
 * can't be found without it.  False: there is none. */
static bool
evict(PagePool *pool)
{
	Page *page = pool->oldest;

	while (page != NULL && page->n_behind > 0)
		page = page->previous;
	if (page == NULL)
		return false;
	idle_remove(pool, page);
	unpublish(pool, page);
	put_spare(page);
	return true;
}

/* Makes room for bytes more, as far as something is idle or spare; keep's spare pages stay. */
static bool
make_room(PagePool *pool, size_t bytes, const Shelf *keep)
{
	while (bytes > pool->limit || pool->allocated > pool->limit - bytes)
	{
		Shelf *shelf = pool->shelves;

		while (shelf != NULL && (shelf == keep || shelf->spare == NULL))
			shelf = shelf->next;
		if (shelf != NULL)
			free_spares(pool, shelf);
		else if ((keep != NULL && keep->spare != NULL) || !evict(pool))
			return false;
	}
	return true;
}

void
page_pool_set_limit(PagePool *pool, size_t limit)
{
	pool->limit = limit;
	make_room(pool, 0, NULL);
}

bool
page_pool_reserve(PagePool *pool, size_t bytes)
{
	if (bytes > pool->limit || pool->reserved > pool->limit - bytes)
		return false;
	pool->reserved += bytes;
	return true;
}

void
page_pool_unreserve(PagePool *pool, size_t bytes)
{
	pool->reserved -= bytes;
}

static Page *
page_allocate(PagePool *pool, Shelf *shelf)
{
	Page *page = calloc(1, sizeof *page);

	if (page != NULL)
		page->data = aligned_alloc(DATA_ALIGN, shelf->bytes);
	if (page != NULL && page->data != NULL)
		memset(page->data, 0, shelf->bytes); /* a panel is read whole, and denormals are slow */
	if (page == NULL || page->data == NULL)
	{
		free(page);
		return NULL;
	}
	page->shelf = shelf;
	pool->allocated += shelf->bytes;
	return page;
}

Page *
page_take(PagePool *pool, const Model *model)
{
	Shelf *shelf = find_shelf(pool, model);
	Page  *page;

	if (shelf == NULL)
		return NULL;
	if (shelf->spare == NULL)
		make_room(pool, shelf->bytes, shelf);
	page = shelf->spare;
	if (page != NULL)
		shelf->spare = page->next;
	else if ((page = page_allocate(pool, shelf)) == NULL)
		return NULL;
	page->holders = 1;
	pool->held += shelf->bytes;
	return page;
}

Page *
page_share(Page *page)
{
	page->holders++;
	return page;
}

void
page_drop(PagePool *pool, Page *page)
{
	if (--page->holders > 0)
		return;
	pool->held -= page->shelf->bytes;
	if (page->published)
		idle_push(pool, page);
	else
		put_spare(page);
}

float *
page_data(const Page *page)
{
	return page->data;
}

/* ---- published pages ---- */

static size_t
key_bytes(const PagePool *pool)
{
	return (size_t) pool->page_tokens * PAGE_KEYS * sizeof(int32_t);
}

uint64_t
page_hash(const PagePool *pool, const Model *model, const Page *before, const int32_t *keys)
{
	uint64_t seed = before != NULL ? before->hash : (uint64_t) (uintptr_t) model;

	return XXH3_64bits_withSeed(keys, key_bytes(pool), seed);
}

static Page *
find(const PagePool *pool, const Model *model, const Page *before, const int32_t *keys,
	 uint64_t hash)
{
	Page *page = *bucket(pool, hash);

	while (page != NULL &&
		   (page->hash != hash || page->before != before || page->shelf->model != model ||
			memcmp(page->keys, keys, key_bytes(pool)) != 0))
		page = page->next_in_bucket;
	return page;
}

Page *
page_find(PagePool *pool, const Model *model, Page *before, const int32_t *keys, uint64_t hash)
{
	Page *page = find(pool, model, before, keys, hash);

	if (page == NULL)
		return NULL;
	if (page->holders++ == 0)
	{
		idle_remove(pool, page);
		pool->held += page->shelf->bytes;
	}
	return page;
}

static void
set_state(Page *page, const float *state)
{
	if (state == NULL || page->has_state)
		return;
	memcpy(page->data + page->shelf->state, state, page->shelf->state_floats * sizeof(float));
	page->has_state = true;
}

Page *
page_publish(PagePool *pool, const Model *model, Page *page, Page *before, const int32_t *keys,
			 uint64_t hash, const float *state)
{
	Page *other = find(pool, model, before, keys, hash);

	if (other != NULL)
	{
		other = page_find(pool, model, before, keys, hash);
		page_drop(pool, page);
		set_state(other, state);
		return other;
	}
	page->keys = malloc(key_bytes(pool));
	if (page->keys == NULL)
		return page;
	memcpy(page->keys, keys, key_bytes(pool));
	grow_buckets(pool);
	set_state(page, state);
	page->hash = hash;
	page->before = before;
	page->published = true;
	if (before != NULL)
		before->n_behind++;
	page->next_in_bucket = *bucket(pool, hash);
	*bucket(pool, hash) = page;
	pool->n_published++;
	return page;
}

const float *
page_state(const Page *page)
{
	return page->has_state ? page->data + page->shelf->state : NULL;
}

bool
page_is_published(const Page *page)
{
	return page->published;
}

/* ---- the end ---- */

void
page_pool_forget(PagePool *pool, const Model *model)
{
	Shelf **at = &pool->shelves;
	bool	found = true;

	while (found)
	{
		Page *page = pool->oldest;

		while (page != NULL && (page->shelf->model != model || page->n_behind > 0))
			page = page->previous;
		found = page != NULL;
		if (!found)
			break;
		idle_remove(pool, page);
		unpublish(pool, page);
		put_spare(page);
	}
	while (*at != NULL && (*at)->model != model)
		at = &(*at)->next;
	if (*at != NULL)
	{
		Shelf *shelf = *at;

		free_spares(pool, shelf);
		*at = shelf->next;
		free(shelf);
	}
}

void
page_pool_free(PagePool *pool)
{
	if (pool == NULL)
		return;
	while (evict(pool))
		;
	while (pool->shelves != NULL)
		page_pool_forget(pool, pool->shelves->model);
	free(pool->buckets);
	free(pool);
}
