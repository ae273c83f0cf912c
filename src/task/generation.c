/*
 * generation.c: the state of a request between two steps of a decoder.
 *
 * Greedy search and drawing are one code: sequences side by side, each choosing for itself.  Beams are chosen
 * together.  Beams that could only go on with tokens of probability 0 end, where Transformers drags them
 * along; nothing it would return comes from them.
 */
#include "task/generation.h"

#include <math.h>
#include <string.h>

#include "math/philox.h"
#include "math/precise.h"
#include "task/beams.h"
#include "task/continuation.h"
#include "task/logits.h"

#define ALIGN 64

/* Beams that are no copies yet: what Transformers gives all but the first of them before the first step. */
#define UNBORN_SCORE -1e9f

typedef struct Sequence
{
	int32_t *ids;	   /* (n_prompt + max_new_tokens) */
	float	*logprobs; /* (max_new_tokens); NULL of beams */
	int		 n;		   /* generated */
	double	 sum;	   /* of logprobs */
	void	*place;	   /* what the constraint keeps of it */
	bool	 finished;
} Sequence;

struct Generation
{
	GenerationInputs		 inputs;
	const GenerationOptions *options;
	StopList				 stops;
	uint64_t				 prompt_hash;
	int						 steps, n_live;
	GenerationMove			*moves;		/* (max_live) */
	int						*live;		/* (max_live) which sequence a row of logits is of */
	Sequence				*sequences; /* (max_live) */

	/* beams */
	Sequence  *next;		/* (max_live) that are being made from sequences */
	float	  *beam_scores; /* (max_live) */
	Hypotheses hypotheses;
};

/* ---- memory ---- */

/* Hands out parts of a piece of memory, or with base NULL only counts them. */
typedef struct Carver
{
	char  *base;
	size_t at; /* SIZE_MAX: overflow */
} Carver;

static void *
carve(Carver *carver, size_t count, size_t size)
{
	size_t begin = carver->at, bytes;

	if (__builtin_mul_overflow(count, size, &bytes) ||
		__builtin_add_overflow(bytes, ALIGN - 1, &bytes) ||
		__builtin_add_overflow(carver->at, bytes / ALIGN * ALIGN, &carver->at))
		carver->at = SIZE_MAX;
	return carver->base != NULL ? carver->base + begin : NULL;
}

static bool
has_beams(const GenerationOptions *options)
{
	return options->num_beams > 1;
}

int
generation_max_live(const GenerationOptions *options)
{
	return has_beams(options) ? options->num_beams : options->num_return_sequences;
}

static size_t
place_size(const GenerationInputs *inputs)
{
	return inputs->constraint != NULL ? inputs->constraint->state_size : 0;
}

static Sequence *
carve_sequences(Carver *carver, const GenerationInputs *inputs, bool logprobs)
{
	size_t	  n = (size_t) generation_max_live(inputs->options);
	size_t	  n_new = (size_t) inputs->options->max_new_tokens;
	size_t	  n_ids = (size_t) inputs->n_prompt + n_new;
	Sequence *sequences = carve(carver, n, sizeof(Sequence));
	int32_t	 *ids = carve(carver, n * n_ids, sizeof(int32_t));
	float	 *numbers = carve(carver, logprobs ? n * n_new : 0, sizeof(float));

	for (size_t i = 0; i < n; i++)
	{
		void *place = carve(carver, place_size(inputs), 1);

		if (carver->base != NULL)
			sequences[i] = (Sequence){.ids = ids + i * n_ids,
									  .logprobs = logprobs ? numbers + i * n_new : NULL,
									  .place = place};
	}
	return sequences;
}

static void
carve_hypotheses(Carver *carver, const GenerationInputs *inputs, Hypotheses *hypotheses)
{
	size_t		n = (size_t) inputs->options->num_beams;
	size_t		n_new = (size_t) inputs->options->max_new_tokens;
	Hypothesis *items = carve(carver, n, sizeof(Hypothesis));
	int32_t	   *ids = carve(carver, n * n_new, sizeof(int32_t));

	if (carver->base == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		items[i].ids = ids + i * n_new;
	*hypotheses = (Hypotheses){.options = inputs->options, .worst = 1e9, .items = items};
}

static Generation *
carve_generation(Carver *carver, const GenerationInputs *inputs)
{
	size_t		n = (size_t) generation_max_live(inputs->options);
	Generation *generation = carve(carver, 1, sizeof(Generation)), none;
	Generation *made = carver->base != NULL ? generation : &none;

	*made = (Generation){.inputs = *inputs, .options = inputs->options};
	made->moves = carve(carver, n, sizeof(GenerationMove));
	made->live = carve(carver, n, sizeof(int));
	made->sequences = carve_sequences(carver, inputs, !has_beams(inputs->options));
	if (has_beams(inputs->options))
	{
		made->next = carve_sequences(carver, inputs, false);
		made->beam_scores = carve(carver, n, sizeof(float));
		carve_hypotheses(carver, inputs, &made->hypotheses);
	}
	return generation;
}

size_t
generation_size(const GenerationInputs *inputs)
{
	Carver carver = {NULL, 0};

	carve_generation(&carver, inputs);
	return carver.at == SIZE_MAX ? 0 : carver.at;
}

/* A beam's softmax, and its share of the softmax over all beams. */
typedef struct BeamWeights
{
	float *weights; /* (n_vocab) of tokens that have not been drawn */
	double factor;	/* of the weights among the other beams' */
	double left;	/* factor times the sum of the weights */
} BeamWeights;

/* Beside the rows of logits. */
typedef struct Scratch
{
	LogitsScratch logits;
	float		 *scores;  /* (n_vocab) */
	uint32_t	 *allowed; /* ((n_vocab + 31) / 32); NULL without a constraint */

	/* beams */
	BeamWeights *beams; /* (num_beams) */
	Candidates	 candidates;
} Scratch;

static int
n_candidates(const GenerationOptions *options)
{
	int each = options->temperature > 0.0f || options->n_eos < 2 ? 2 : 1 + options->n_eos;

	return each * options->num_beams;
}

static Scratch
carve_scratch(Carver *carver, const GenerationInputs *inputs)
{
	const GenerationOptions *options = inputs->options;
	size_t					 n = (size_t) inputs->n_vocab;
	bool					 together = has_beams(options) && options->temperature > 0.0f;
	Scratch					 scratch = {0};

	scratch.logits.probabilities =
		carve(carver, n * (together ? (size_t) options->num_beams : 1), sizeof(float));
	scratch.logits.keys = carve(carver, n, sizeof(float));
	scratch.logits.order = carve(carver, n, sizeof(int32_t));
	scratch.logits.bits = carve(carver, (n + 31) / 32, sizeof(uint32_t));
	scratch.scores = carve(carver, n, sizeof(float));
	if (inputs->constraint != NULL)
		scratch.allowed = carve(carver, (n + 31) / 32, sizeof(uint32_t));
	if (has_beams(options))
	{
		scratch.beams = carve(carver, (size_t) options->num_beams, sizeof(BeamWeights));
		scratch.candidates.capacity = n_candidates(options);
		scratch.candidates.items =
			carve(carver, (size_t) scratch.candidates.capacity, sizeof(Candidate));
	}
	return scratch;
}

size_t
generation_scratch(const GenerationInputs *inputs)
{
	Carver carver = {NULL, 0};

	carve_scratch(&carver, inputs);
	return carver.at == SIZE_MAX ? 0 : carver.at;
}

/* ---- beginning ---- */

/* FNV-1a over the ids, so that requests with the same seed draw independently where prompts differ. */
static uint64_t
hash_ids(const int32_t *ids, int n)
{
	uint64_t hash = 0xCBF29CE484222325u;

	for (int i = 0; i < n; i++)
		hash = (hash ^ (uint32_t) ids[i]) * 0x100000001B3u;
	return hash ^ hash >> 32;
}

Generation *
generation_create(const GenerationInputs *inputs, void *memory)
{
	Carver		carver = {memory, 0};
	Generation *generation = carve_generation(&carver, inputs);

	generation->stops = (StopList){inputs->options->n_stop, inputs->options->stop_offsets,
								   inputs->options->stop_bytes};
	generation->prompt_hash = hash_ids(inputs->prompt, inputs->n_prompt);
	generation->n_live = 1;
	for (int i = 0; i < generation_max_live(inputs->options); i++)
	{
		memcpy(generation->sequences[i].ids, inputs->prompt,
			   (size_t) inputs->n_prompt * sizeof(int32_t));
		generation->live[i] = i;
		if (inputs->constraint != NULL)
			inputs->constraint->start(inputs->constraint, generation->sequences[i].place);
		if (has_beams(inputs->options))
			generation->beam_scores[i] = 0.0f;
	}
	return generation;
}

/* A number in [0, 1) that depends on nothing but the request and where in it it is drawn. */
static double
draw(const Generation *generation, int sequence, int number)
{
	uint32_t counter[4] = {
		(uint32_t) generation->steps, (uint32_t) sequence << 16 | (uint32_t) number,
		(uint32_t) generation->prompt_hash, (uint32_t) (generation->prompt_hash >> 32)};

	return philox_uniform(generation->options->seed, counter);
}

/* ---- what both ways share ---- */

static bool
is_eos(const GenerationOptions *options, int32_t token)
{
	for (int i = 0; i < options->n_eos; i++)
		if (options->eos_token_ids[i] == token)
			return true;
	return false;
}

/* The tokens that a constraint allows behind a sequence, ends of sequence among them where it may end. */
static bool
find_allowed(const Generation *generation, const Sequence *sequence, Scratch *scratch, Error *error)
{
	const GenerationInputs	*inputs = &generation->inputs;
	const GenerationOptions *options = generation->options;
	bool					 complete;

	memset(scratch->allowed, 0, ((size_t) inputs->n_vocab + 31) / 32 * sizeof(uint32_t));
	if (!inputs->constraint->allowed(inputs->constraint, sequence->place, scratch->allowed,
									 &complete, error))
		return false;
	for (int i = 0; i < options->n_eos && complete; i++)
		scratch->allowed[options->eos_token_ids[i] >> 5] |= UINT32_C(1)
															<< (options->eos_token_ids[i] & 31);
	return true;
}

/* The rules of the options and the constraint on a row of scores of a sequence. */
static bool
process(const Generation *generation, const Sequence *sequence, Scratch *scratch, float *scores,
		Error *error)
{
	if (generation->inputs.constraint != NULL &&
		!find_allowed(generation, sequence, scratch, error))
		return false;
	logits_process(generation->options, sequence->ids, generation->inputs.n_prompt + sequence->n,
				   sequence->n, scratch->allowed, generation->inputs.n_vocab, scratch->logits.bits,
				   scores);
	return true;
}

/* Tells the constraint, if there is one, of a sequence's new token; *over: nothing can follow. */
static bool
advance(const Generation *generation, void *place, int32_t token, bool *over, Error *error)
{
	const TokenConstraint *constraint = generation->inputs.constraint;

	*over = false;
	if (constraint == NULL || is_eos(generation->options, token))
		return true;
	if (!constraint->advance(constraint, place, token, error))
		return false;
	*over = constraint->finished(constraint, place);
	return true;
}

static bool
nothing_left(const Generation *generation, Error *error)
{
	error_set(error, ERR_ARGUMENT, "no token is allowed at position %d of the output",
			  generation->steps + 1);
	return error_detail(error, "All tokens are excluded by bad_words, suppress_tokens, "
							   "no_repeat_ngram_size, min_new_tokens or a constraint.");
}

/* Whether the text of a sequence of n generated tokens has a stop string. */
static bool
check_stop(const Generation *generation, const int32_t *ids, int n, Arena *arena, bool *stops,
		   Error *error)
{
	const GenerationInputs *inputs = &generation->inputs;

	*stops = false;
	if (generation->stops.n == 0)
		return true;
	arena_reset(arena);
	return continuation_stops(inputs->tokenizer, &generation->stops, arena, ids, inputs->n_prompt,
							  inputs->n_prompt + n, stops, error);
}

/* ---- one sequence by itself ---- */

/* Puts a token behind a sequence, and says whether that was its last. */
static bool
append(Generation *generation, Sequence *sequence, int32_t token, double logprob, Arena *arena,
	   Error *error)
{
	const GenerationOptions *options = generation->options;
	bool					 stops, over;

	sequence->ids[generation->inputs.n_prompt + sequence->n] = token;
	sequence->logprobs[sequence->n++] = (float) logprob;
	sequence->sum += logprob;
	if (!check_stop(generation, sequence->ids, sequence->n, arena, &stops, error) ||
		!advance(generation, sequence->place, token, &over, error))
		return false;
	sequence->finished =
		stops || over || is_eos(options, token) || sequence->n == options->max_new_tokens;
	return true;
}

/* Sequences of rows first .. first + n - 1 choose from one row of logits. */
static bool
choose(Generation *generation, int first, int n, const float *logits, Scratch *scratch,
	   Arena *arena, Error *error)
{
	const GenerationInputs	*inputs = &generation->inputs;
	const GenerationOptions *options = generation->options;
	float					*probabilities = scratch->logits.probabilities;
	int						 n_vocab = inputs->n_vocab;
	bool					 drawn = options->temperature > 0.0f;
	double					 lse, sum = 0.0;

	lse = logits_softmax(inputs->kernels, logits, n_vocab, probabilities);
	memcpy(scratch->scores, logits, (size_t) n_vocab * sizeof(float));
	if (!process(generation, &generation->sequences[generation->live[first]], scratch,
				 scratch->scores, error))
		return false;
	if (drawn)
	{
		logits_warp(options, inputs->kernels, 1, n_vocab, &scratch->logits, scratch->scores);
		logits_softmax(inputs->kernels, scratch->scores, n_vocab, probabilities);
		sum = weights_sum(probabilities, n_vocab);
	}
	for (int i = first; i < first + n; i++)
	{
		int		index = generation->live[i];
		int32_t token = drawn
							? weights_pick(probabilities, n_vocab, sum, draw(generation, index, 0))
							: logits_best(scratch->scores, n_vocab);

		if (token < 0)
			return nothing_left(generation, error);
		if (!append(generation, &generation->sequences[index], token, (double) logits[token] - lse,
					arena, error))
			return false;
	}
	return true;
}

/* The first step has one row for all sequences. */
static bool
step_apart(Generation *generation, const float *logits, long ld, Scratch *scratch, Arena *arena,
		   Error *error)
{
	bool first = generation->steps == 0;
	int	 n = first ? generation_max_live(generation->options) : generation->n_live, n_live = 0;

	for (int row = 0; row < generation->n_live; row++)
		if (!choose(generation, row, first ? n : 1, logits + row * ld, scratch, arena, error))
			return false;
	for (int row = 0; row < n; row++)
	{
		int				index = generation->live[row];
		const Sequence *sequence = &generation->sequences[index];

		if (sequence->finished)
			continue;
		generation->moves[n_live] = (GenerationMove){
			first ? 0 : row, sequence->ids[generation->inputs.n_prompt + sequence->n - 1]};
		generation->live[n_live++] = index;
	}
	generation->n_live = n_live;
	return true;
}

/* ---- beams ---- */

/* The row of logits of a beam: at the first step they have one for all. */
static float *
beam_row(const Generation *generation, float *logits, long ld, int beam)
{
	return generation->steps == 0 ? logits : logits + beam * ld;
}

static int
n_beams(const Generation *generation)
{
	return generation->steps == 0 ? generation->options->num_beams : generation->n_live;
}

/* Rows of logits to processed log-probabilities. */
static bool
score_beams(const Generation *generation, float *logits, long ld, Scratch *scratch, Error *error)
{
	const GenerationInputs	*inputs = &generation->inputs;
	const GenerationOptions *options = generation->options;
	int						 keep = options->n_eos > 1 ? 1 + options->n_eos : 2;

	for (int row = 0; row < generation->n_live; row++)
	{
		float *scores = logits + row * ld;
		double lse =
			logits_softmax(inputs->kernels, scores, inputs->n_vocab, scratch->logits.probabilities);

		for (int i = 0; i < inputs->n_vocab; i++)
			scores[i] = (float) ((double) scores[i] - lse);
		if (!process(generation, &generation->sequences[row], scratch, scores, error))
			return false;
		if (options->temperature > 0.0f)
			logits_warp(options, inputs->kernels, keep, inputs->n_vocab, &scratch->logits, scores);
	}
	return true;
}

static void
best_candidates(const Generation *generation, float *logits, long ld, Scratch *scratch)
{
	Candidates *candidates = &scratch->candidates;

	for (int beam = 0; beam < n_beams(generation); beam++)
	{
		bool  unborn = generation->steps == 0 && beam > 0;
		float score = unborn ? UNBORN_SCORE : generation->beam_scores[beam];

		if (unborn && candidates->n == candidates->capacity)
			break;
		candidates_offer(candidates, beam, score, beam_row(generation, logits, ld, beam),
						 generation->inputs.n_vocab);
	}
}

static int
pick_beam(const BeamWeights *beams, int n, double wanted, double *before)
{
	double at = 0.0;
	int	   last = -1;

	for (int i = 0; i < n; i++)
		if (beams[i].left > 0.0)
		{
			*before = at;
			at += beams[i].left;
			last = i;
			if (at > wanted)
				break;
		}
	return last;
}

static void
weigh_beams(const Generation *generation, float *logits, long ld, Scratch *scratch)
{
	const GenerationInputs *inputs = &generation->inputs;
	BeamWeights			   *beams = scratch->beams;
	int						n = n_beams(generation);
	double					top = -INFINITY;

	for (int i = 0; i < n; i++)
	{
		beams[i].weights = scratch->logits.probabilities + (size_t) i * (size_t) inputs->n_vocab;
		beams[i].factor = (double) generation->beam_scores[i] +
						  logits_softmax(inputs->kernels, beam_row(generation, logits, ld, i),
										 inputs->n_vocab, beams[i].weights);
		if (beams[i].factor > top)
			top = beams[i].factor;
	}
	for (int i = 0; i < n; i++)
	{
		beams[i].factor = beams[i].factor > -INFINITY ? precise_exp(beams[i].factor - top) : 0.0;
		beams[i].left = beams[i].factor * weights_sum(beams[i].weights, inputs->n_vocab);
	}
}

/* Draws from the softmax over all beams and tokens, without putting back. */
static void
drawn_candidates(const Generation *generation, float *logits, long ld, Scratch *scratch)
{
	BeamWeights *beams = scratch->beams;
	int			 n_vocab = generation->inputs.n_vocab, n = n_beams(generation);

	weigh_beams(generation, logits, ld, scratch);
	for (int number = 0; number < scratch->candidates.capacity; number++)
	{
		double total = 0.0, before = 0.0, wanted;
		int	   beam, token;

		for (int i = 0; i < n; i++)
			total += beams[i].left;
		wanted = draw(generation, 0, number) * total;
		beam = pick_beam(beams, n, wanted, &before);
		if (beam < 0)
			return;
		token = weights_pick(beams[beam].weights, n_vocab, beams[beam].left / beams[beam].factor,
							 (wanted - before) / beams[beam].left);
		candidates_add(&scratch->candidates,
					   (Candidate){beam_row(generation, logits, ld, beam)[token] +
									   generation->beam_scores[beam],
								   beam, token});
		beams[beam].weights[token] = 0.0f;
		beams[beam].left = beams[beam].factor * weights_sum(beams[beam].weights, n_vocab);
	}
}

/* A candidate becomes a hypothesis when it ends its sequence, else a beam of the next step.  rank: how many
 * are better. */
static bool
take_candidate(Generation *generation, const Candidate *candidate, int rank, int *n_next,
			   Arena *arena, Error *error)
{
	const GenerationOptions *options = generation->options;
	int						 n_prompt = generation->inputs.n_prompt;
	Sequence				*parent = &generation->sequences[candidate->beam];
	Sequence				*child = &generation->next[*n_next];
	bool					 eos = is_eos(options, candidate->token), stops = false, over;
	int						 n = parent->n + 1;

	parent->ids[n_prompt + n - 1] = candidate->token;
	if (!eos && !check_stop(generation, parent->ids, n, arena, &stops, error))
		return false;
	if (place_size(&generation->inputs) > 0)
		memcpy(child->place, parent->place, place_size(&generation->inputs));
	if (!advance(generation, child->place, candidate->token, &over, error))
		return false;
	if (eos || stops || over)
	{
		if (rank < options->num_beams)
			hypotheses_add(&generation->hypotheses, (double) candidate->score, n,
						   parent->ids + n_prompt, eos ? n - 1 : n,
						   eos ? options->eos_token_ids[0] : -1);
		return true;
	}
	memcpy(child->ids, parent->ids, (size_t) (n_prompt + n) * sizeof(int32_t));
	child->n = n;
	generation->moves[*n_next] =
		(GenerationMove){generation->steps == 0 ? 0 : candidate->beam, candidate->token};
	generation->beam_scores[(*n_next)++] = candidate->score;
	return true;
}

/* What is left at the end are hypotheses, too. */
static void
end_beams(Generation *generation)
{
	for (int i = 0; i < generation->n_live; i++)
	{
		const Sequence *sequence = &generation->sequences[i];

		hypotheses_add(&generation->hypotheses, (double) generation->beam_scores[i], sequence->n,
					   sequence->ids + generation->inputs.n_prompt, sequence->n, -1);
	}
	generation->n_live = 0;
}

static bool
step_together(Generation *generation, float *logits, long ld, Scratch *scratch, Arena *arena,
			  Error *error)
{
	const GenerationOptions *options = generation->options;
	Candidates				*candidates = &scratch->candidates;
	Sequence				*made = generation->next;
	int						 n_next = 0, n = generation->steps + 1;
	bool					 done;

	if (!score_beams(generation, logits, ld, scratch, error))
		return false;
	if (options->temperature > 0.0f)
		drawn_candidates(generation, logits, ld, scratch);
	else
		best_candidates(generation, logits, ld, scratch);
	candidates_sort(candidates);
	for (int i = 0; i < candidates->n && n_next < options->num_beams; i++)
		if (!take_candidate(generation, &candidates->items[i], i, &n_next, arena, error))
			return false;
	done = candidates->n == 0 ||
		   hypotheses_done(&generation->hypotheses, (double) candidates->items[0].score, n);
	generation->next = generation->sequences;
	generation->sequences = made;
	generation->n_live = done ? 0 : n_next;
	if (n == options->max_new_tokens)
		end_beams(generation);
	if (generation->n_live == 0)
		hypotheses_sort(&generation->hypotheses);
	return generation->n_live > 0 || generation->hypotheses.n > 0 ||
		   nothing_left(generation, error);
}

/* ---- steps ---- */

bool
generation_step(Generation *generation, float *logits, long ld, void *scratch_memory, Arena *arena,
				Error *error)
{
	Carver	carver = {scratch_memory, 0};
	Scratch scratch = carve_scratch(&carver, &generation->inputs);
	bool	ok;

	if (has_beams(generation->options))
		ok = step_together(generation, logits, ld, &scratch, arena, error);
	else
		ok = step_apart(generation, logits, ld, &scratch, arena, error);
	generation->steps++;
	if (!ok)
		generation->n_live = 0;
	return ok;
}

int
generation_n_live(const Generation *generation)
{
	return generation->n_live;
}

const GenerationMove *
generation_moves(const Generation *generation)
{
	return generation->moves;
}

int
generation_n_sequences(const Generation *generation)
{
	const GenerationOptions *options = generation->options;
	int						 n = options->num_return_sequences;

	if (!has_beams(options))
		return n;
	if (generation->n_live > 0)
		return 0;
	return n < generation->hypotheses.n ? n : generation->hypotheses.n;
}

GeneratedSequence
generation_sequence(const Generation *generation, int index)
{
	const Sequence *sequence = &generation->sequences[index];

	if (has_beams(generation->options))
	{
		const Hypothesis *hypothesis = &generation->hypotheses.items[index];

		return (GeneratedSequence){hypothesis->ids, NULL, hypothesis->n, true,
								   (float) hypothesis->score};
	}
	return (GeneratedSequence){sequence->ids + generation->inputs.n_prompt, sequence->logprobs,
							   sequence->n, sequence->finished, (float) sequence->sum};
}
