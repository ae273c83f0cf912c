/*
 * generator.c: requests for generated text, in an engine.
 *
 * A request that has been taken waits until its cache can be reserved, then it is a decoding of the
 * engine's Decoder (task/decoder.h) until it has ended.  After every step what the decodings have become is
 * copied to the requests' payloads, and then those sessions are woken that stream.
 */
#include "pg/generator.h"
#include "pg/constraints.h"
#include "pg/generation_request.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "task/decoder.h"

typedef struct Running
{
	Slot		  *slot;
	Resident	  *resident;
	Decoding	  *decoding;   /* NULL: waits for cache */
	ConstraintUse *constraint; /* of its grammar, once it has been looked at */
} Running;

static EngineShared *shared;
static Decoder		*decoder;
static Running		*running; /* in the order in which they came */
static int			 n_running, n_waiting;
static int			 last_entry = -1; /* whose turn it was */
static Decoding	   **stepped;		  /* the decodings of a step */
static Slot		   **ended;			  /* requests that a step has ended */
static PGPROC	   **streaming;		  /* sessions that a step has something for */
static atomic_bool	 cancel;

/* ---- beginning, end ---- */

/* Bytes of cache that this engine may have. */
static size_t
cache_bytes(void)
{
	return (size_t) infer_cache_memory_kb * 1024 / engine_count();
}

bool
generator_start(EngineShared *engine, Team *team, Error *error)
{
	int n = queue_slots();

	shared = engine;
	running = MemoryContextAlloc(TopMemoryContext, n * sizeof(Running));
	stepped = MemoryContextAlloc(TopMemoryContext, n * sizeof(Decoding *));
	ended = MemoryContextAlloc(TopMemoryContext, n * sizeof(Slot *));
	streaming = MemoryContextAlloc(TopMemoryContext, n * sizeof(PGPROC *));
	decoder = decoder_create(team, cache_bytes(), DECODER_PAGE_TOKENS, error);
	return decoder != NULL;
}

void
generator_set_cache(void)
{
	page_pool_set_limit(decoder_pages(decoder), cache_bytes());
}

void
generator_interrupt(void)
{
	atomic_store(&cancel, true);
}

void
generator_forget(const Model *model)
{
	if (decoder != NULL)
		decoder_forget(decoder, model);
	constraints_forget(model);
}

bool
generator_is_busy(void)
{
	return n_running > 0;
}

/* What the views show. */
static void
show(void)
{
	PagePool *pages = decoder_pages(decoder);

	pg_atomic_write_u64(&shared->cache_held, page_pool_held(pages));
	pg_atomic_write_u64(&shared->cache_reserved, page_pool_reserved(pages));
	pg_atomic_write_u32(&shared->generating, n_running - n_waiting);
	pg_atomic_write_u32(&shared->waiting_for_cache, n_waiting);
}

/* Takes a request out of the list; its slot is the caller's. */
static void
forget(int index)
{
	Running *request = &running[index];

	if (request->decoding != NULL)
		decoder_end(decoder, request->decoding);
	else
		n_waiting--;
	if (request->constraint != NULL)
		constraint_release(request->constraint);
	request->resident->n_active--;
	n_running--;
	memmove(&running[index], &running[index + 1], (n_running - index) * sizeof(Running));
}

void
generator_stop(const Error *error)
{
	while (n_running > 0)
	{
		Slot *slot = running[n_running - 1].slot;

		forget(n_running - 1);
		pg_atomic_write_u32(&slot->waits_for_cache, 0);
		if (error == NULL)
			queue_put_back(slot);
		else
		{
			slot->error = *error;
			queue_finish(&slot, 1);
		}
	}
	constraints_clear();
	if (decoder == NULL)
		return;
	show();
	decoder_free(decoder);
	decoder = NULL;
}

/* ---- requests come and go ---- */

/* What the core is to compute for a request. */
static bool
make_inputs(Running *request, DecodingInputs *inputs, Error *error)
{
	const GenerationPayload *payload = request->slot->payload;
	Resident				*resident = request->resident;

	*inputs = (DecodingInputs){.model = &resident->model,
							   .generation = {.options = &payload->options,
											  .prompt = payload->prompt,
											  .n_prompt = payload->n_prompt,
											  .n_vocab = head_outputs(&resident->model),
											  .kernels = resident->model.kernels},
							   .shape_ids = payload->shape_ids,
							   .pronunciation_ids = payload->pronunciation_ids};
	if (payload->n_prompt < 1)
		return error_set(error, ERR_ARGUMENT, "a prompt of %d tokens is not possible",
						 payload->n_prompt);
	if (payload->options.n_stop > 0)
	{
		if (!resident_open_tokenizer(resident, error))
			return false;
		inputs->generation.tokenizer = &resident->tokenizer;
	}
	if (payload->grammar != NULL && request->constraint == NULL)
		request->constraint = constraint_acquire(resident, payload->grammar, payload->grammar_size,
												 payload->options.max_new_tokens, error);
	if (payload->grammar != NULL && request->constraint == NULL)
		return false;
	if (request->constraint != NULL)
		inputs->generation.constraint = constraint_of_use(request->constraint);
	return true;
}

static void
end_request(int index, int *n_ended)
{
	Slot *slot = running[index].slot;

	forget(index);
	pg_atomic_write_u32(&slot->waits_for_cache, 0);
	ended[(*n_ended)++] = slot;
}

/* Begins what waits for cache, the oldest first: nobody overtakes, so a large one gets its turn. */
static void
begin_waiting(void)
{
	int n_ended = 0;

	for (int i = 0; i < n_running && n_waiting > 0; i++)
	{
		Running		  *request = &running[i];
		Error		   error = {.code = ERR_NONE};
		DecodingInputs inputs;

		if (request->decoding != NULL)
			continue;
		if (!make_inputs(request, &inputs, &error) ||
			!decoder_begin(decoder, &inputs, &request->decoding, &error))
		{
			if (error.code == ERR_LIMIT && decoder_bytes(decoder, &inputs) > cache_bytes())
				error_hint(&error, "Raise pg_infer.cache_memory, or ask for fewer new tokens.");
			request->slot->error = error;
			end_request(i--, &n_ended);
			continue;
		}
		if (request->decoding == NULL)
			break;
		n_waiting--;
		pg_atomic_write_u32(&request->slot->waits_for_cache, 0);
	}
	queue_finish(ended, n_ended);
}

void
generator_add(Resident *resident, Slot *slot)
{
	running[n_running++] = (Running){.slot = slot, .resident = resident};
	n_waiting++;
	resident->n_active++;
	pg_atomic_write_u32(&slot->waits_for_cache, 1);
}

/* Frees requests that nobody waits for any more, and their cache. */
static void
drop_abandoned(void)
{
	for (int i = n_running - 1; i >= 0; i--)
	{
		Slot *slot = running[i].slot;

		if (pg_atomic_read_u32(&slot->state) != SLOT_ABANDONED)
			continue;
		forget(i);
		queue_free_abandoned(slot);
	}
}

/* ---- a step ---- */

/* Copies what an output has more than before.  True: there was something. */
static bool
copy_output(const GeneratedSequence *sequence, GenerationOutput *output)
{
	int before = generation_output_count(output);

	output->score = sequence->score;
	if (sequence->n <= before)
		return false;
	memcpy(output->ids + before, sequence->ids + before, (sequence->n - before) * sizeof(int32));
	if (sequence->logprobs != NULL)
		memcpy(output->logprobs + before, sequence->logprobs + before,
			   (sequence->n - before) * sizeof(float4));
	pg_write_barrier();
	pg_atomic_write_u32(&output->n,
						sequence->n | (sequence->finished ? GENERATION_OUTPUT_ENDS : 0));
	return true;
}

/* Whether its session is to be woken. */
static bool
copy_outputs(const Running *request)
{
	GenerationPayload *payload = request->slot->payload;
	const Generation  *generation = request->decoding->generation;
	bool			   beams = payload->options.num_beams > 1, more = false;
	int				   n = generation_n_sequences(generation), most = 0;

	if (beams && !request->decoding->finished)
		return false;
	for (int i = 0; i < n; i++)
	{
		GeneratedSequence sequence = generation_sequence(generation, i);

		more |= copy_output(&sequence, &payload->outputs[i]);
		most = Max(most, sequence.n);
	}
	request->slot->n_done = most;
	return more && payload->streams;
}

/* The entry of a model that has decodings, after the one whose turn it was; -1: none has. */
static int
next_entry(void)
{
	int first = -1, next = -1;

	for (int i = 0; i < n_running; i++)
	{
		int entry = running[i].resident->entry;

		if (running[i].decoding == NULL)
			continue;
		if (first < 0 || entry < first)
			first = entry;
		if (entry > last_entry && (next < 0 || entry < next))
			next = entry;
	}
	return next >= 0 ? next : first;
}

/* Puts into the payloads of a model's requests what a step has brought, and ends those that are through.
 * Whoever is woken takes the processor, so that comes last. */
static void
deliver(int entry, const Error *error)
{
	int n_ended = 0, n_streaming = 0, n_outputs = 0;

	for (int i = 0; i < n_running; i++)
	{
		Running *request = &running[i];
		Slot	*slot = request->slot;

		if (request->resident->entry != entry || request->decoding == NULL)
			continue;
		if (error->code != ERR_NONE)
			slot->error = *error;
		else
		{
			slot->error = request->decoding->error;
			if (slot->error.code == ERR_NONE && copy_outputs(request))
				streaming[n_streaming++] = slot->waiter;
			if (!request->decoding->finished)
				continue;
		}
		n_outputs += ((GenerationPayload *) slot->payload)->options.num_return_sequences;
		end_request(i--, &n_ended);
	}
	pg_atomic_fetch_add_u64(&shared->counters[COUNT_REQUESTS], n_ended);
	pg_atomic_fetch_add_u64(&shared->counters[COUNT_ITEMS], n_outputs);
	entry_count(registry_entry(entry), COUNT_ITEMS, n_outputs);
	queue_finish(ended, n_ended);
	for (int i = 0; i < n_streaming; i++)
		SetLatch(&streaming[i]->procLatch);
}

/* The time is put down to the requests by their tokens in the step. */
static void
count_step(int entry, int64 run_us)
{
	int tokens = decoder_step_tokens(decoder);

	for (int i = 0; i < n_running; i++)
		if (running[i].resident->entry == entry && running[i].decoding != NULL)
			queue_charge(running[i].slot, run_us * 1000, running[i].decoding->n_step_tokens,
						 tokens);

	entry_count(registry_entry(entry), COUNT_CAPACITY, tokens);
	entry_count(registry_entry(entry), COUNT_BATCHES, 1);
	entry_count(registry_entry(entry), COUNT_TOKENS, tokens);
	entry_count(registry_entry(entry), COUNT_RUN_US, run_us);
	pg_atomic_fetch_add_u64(&shared->counters[COUNT_BATCHES], 1);
	pg_atomic_fetch_add_u64(&shared->counters[COUNT_TOKENS], tokens);
	pg_atomic_fetch_add_u64(&shared->counters[COUNT_RUN_US], run_us);
}

static void
step_entry(int entry)
{
	Error	   error = {.code = ERR_NONE};
	int		   n = 0;
	instr_time start, end;

	for (int i = 0; i < n_running; i++)
		if (running[i].resident->entry == entry && running[i].decoding != NULL)
			stepped[n++] = running[i].decoding;
	last_entry = entry;
	pg_atomic_write_u32(&shared->entry, entry);
	INSTR_TIME_SET_CURRENT(start);
	if (decoder_step(decoder, stepped, n, &cancel, &error))
	{
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, start);
		count_step(entry, INSTR_TIME_GET_MICROSEC(end));
	}
	/* cancelled: the engine is to end, and whoever comes next begins again */
	if (error.code != ERR_CANCELLED)
		deliver(entry, &error);
}

bool
generator_step(void)
{
	int entry;

	if (n_running == 0)
		return false;
	drop_abandoned();
	begin_waiting();
	show();
	entry = next_entry();
	if (entry < 0)
		return n_running > 0;
	step_entry(entry);
	show();
	CHECK_FOR_INTERRUPTS();
	return true;
}
