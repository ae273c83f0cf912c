/*
 * support.c: what the planner is told of calls: what they cost and how many rows they give.
 *
 * A call costs what its model's matrices cost for the tokens that its texts have by their average width.
 * Nothing here fails: a model that can't be looked at is left to the costs of CREATE FUNCTION.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "pg/compat.h"
#include "pg/pg_infer.h"

#define BYTES_PER_TOKEN 4.5
#define SPECIAL_TOKENS 2
#define DEFAULT_WIDTH 64.0 /* bytes of a text that nothing is known of */
#define FLOPS_PER_COST                                                                             \
	1e6 /* of a core in the time of a sequential page read, which is a cost of 1 */
#define INT8_FLOPS_PER_COST 3e6

/* ---- arguments ---- */

static List *
arguments_of(Node *node)
{
	if (node != NULL && IsA(node, FuncExpr))
		return ((FuncExpr *) node)->args;
	return NIL;
}

static Node *
argument(Node *node, int n)
{
	List *arguments = arguments_of(node);

	return n < list_length(arguments) ? list_nth(arguments, n) : NULL;
}

/* The average width of a text, in bytes. */
static double
text_width(PlannerInfo *root, Node *node)
{
	if (IsA(node, Const))
	{
		Const *constant = (Const *) node;

		if (constant->constisnull)
			return 0;
		return toast_raw_datum_size(constant->constvalue) - VARHDRSZ;
	}
	if (IsA(node, Var) && root != NULL && ((Var *) node)->varlevelsup == 0 &&
		!IS_SPECIAL_VARNO(((Var *) node)->varno) &&
		((Var *) node)->varno <= list_length(root->parse->rtable))
	{
		RangeTblEntry *entry = rt_fetch(((Var *) node)->varno, root->parse->rtable);

		if (entry->rtekind == RTE_RELATION)
		{
			int32 width = get_attavgwidth(entry->relid, ((Var *) node)->varattno);

			return width > 0 ? width : DEFAULT_WIDTH;
		}
	}
	return DEFAULT_WIDTH;
}

static double
tokens_of_width(double width)
{
	return width / BYTES_PER_TOKEN + SPECIAL_TOKENS;
}

/* Tokens of a call: of its texts, once for each element of an array of texts. */
static double
count_tokens(PlannerInfo *root, Node *node)
{
	double	  width = 0, texts = 1;
	ListCell *cell;

	foreach(cell, arguments_of(node))
	{
		Oid type = exprType(lfirst(cell));

		if (type == TEXTOID)
			width += text_width(root, lfirst(cell));
		else if (type == TEXTARRAYOID &&
				 !(IsA(lfirst(cell), Const) && ((Const *) lfirst(cell))->constisnull))
			texts = Max(texts, compat_estimate_array_length(root, lfirst(cell)));
	}
	return texts * tokens_of_width(width);
}

/* ---- generating ---- */

#define DEFAULT_NEW_TOKENS 64

/* A function that generates, and the places of its arguments; -1: it does not have that one. */
typedef struct Generator
{
	const char *function;
	int			max_new_tokens, num_beams, sequences;
	bool		streams; /* a row for each token */
} Generator;

static const Generator generators[] = {
	{"generate", 2, 10, -1, false},		  {"generate_many", 2, 10, 20, false},
	{"generate_ids", 2, 10, -1, false},	  {"generate_ids_many", 2, 10, 25, false},
	{"generate_enum", 3, 11, -1, false},  {"generate_row", 3, 11, -1, false},
	{"generate_stream", 2, 10, -1, true},
};

static const Generator *
find_generator(Oid function)
{
	char *name = get_func_name(function);

	for (int i = 0; name != NULL && i < lengthof(generators); i++)
		if (strcmp(name, generators[i].function) == 0)
			return &generators[i];
	return NULL;
}

/* An integer that is known when planning. */
static double
known_int(Node *node, int n, int otherwise)
{
	Node *value = n < 0 ? NULL : argument(node, n);

	if (value == NULL || !IsA(value, Const) || ((Const *) value)->constisnull)
		return otherwise;
	return Max(1, DatumGetInt32(((Const *) value)->constvalue));
}

/* Tokens of the prompt, a text or ids, and of all that is generated behind it. */
static double
count_generated(PlannerInfo *root, Node *node, const Generator *generator)
{
	Node  *prompt = argument(node, 1);
	double sequences =
		Max(known_int(node, generator->num_beams, 1), known_int(node, generator->sequences, 1));
	double tokens = sequences * known_int(node, generator->max_new_tokens, DEFAULT_NEW_TOKENS);

	if (prompt == NULL)
		return tokens;
	return tokens + (exprType(prompt) == TEXTOID ? tokens_of_width(text_width(root, prompt))
												 : compat_estimate_array_length(root, prompt));
}

static double
count_generated_rows(Node *node, const Generator *generator)
{
	return generator->streams ? known_int(node, generator->max_new_tokens, DEFAULT_NEW_TOKENS)
							  : known_int(node, generator->sequences, 1);
}

/* ---- models ---- */

/* The cost of a token, or 0 where nothing is known. */
static double
token_cost(Node *node)
{
	Node	  *model = argument(node, 0);
	ModelSize *size;

	if (model == NULL || !IsA(model, Const) || ((Const *) model)->constisnull)
		return 0;
	size = model_size((InferModel *) PG_DETOAST_DATUM(((Const *) model)->constvalue));
	if (size == NULL)
		return 0;
	return 2.0 * (double) size->weights /
		   (size->precision == PRECISION_INT8 ? INT8_FLOPS_PER_COST : FLOPS_PER_COST);
}

static int
count_labels(Node *node)
{
	Node	  *model = argument(node, 0);
	ModelSize *size = NULL;

	if (model != NULL && IsA(model, Const) && !((Const *) model)->constisnull)
		size = model_size((InferModel *) PG_DETOAST_DATUM(((Const *) model)->constvalue));
	return size != NULL ? size->n_labels : 0;
}

/* ---- rows ---- */

typedef enum RowRule
{
	ROWS_LABELS,   /* one for each of the model's labels */
	ROWS_TOKENS,   /* one for each token of the text */
	ROWS_ENTITIES, /* one for some tokens of the text */
	ROWS_ELEMENTS  /* one for each element of an array */
} RowRule;

typedef struct RowEstimate
{
	const char *function;
	RowRule		rule;
	int			source; /* the argument: a text or an array */
	int			top_k;	/* the argument that bounds them; -1: none does */
} RowEstimate;

static const RowEstimate estimates[] = {
	{"classify_scores", ROWS_LABELS, 1, 3},	 {"classify_many", ROWS_ELEMENTS, 1, -1},
	{"zero_shot", ROWS_ELEMENTS, 2, -1},	 {"rerank", ROWS_ELEMENTS, 2, 3},
	{"choose_scores", ROWS_ELEMENTS, 2, -1}, {"embed_many", ROWS_ELEMENTS, 1, -1},
	{"tag", ROWS_ENTITIES, 1, -1},			 {"token_logprobs", ROWS_TOKENS, 1, -1},
	{"tokenize", ROWS_TOKENS, 1, -1},
};

static double
count_rows(PlannerInfo *root, Node *node, const RowEstimate *estimate)
{
	Node  *source = argument(node, estimate->source), *top_k = NULL;
	double rows = 0;

	if (source == NULL)
		return 0;
	switch (estimate->rule)
	{
		case ROWS_LABELS:
			rows = count_labels(node);
			break;
		case ROWS_TOKENS:
			rows = tokens_of_width(text_width(root, source));
			break;
		case ROWS_ENTITIES:
			rows = tokens_of_width(text_width(root, source)) / 5;
			break;
		case ROWS_ELEMENTS:
			rows = compat_estimate_array_length(root, source);
			break;
	}
	if (estimate->top_k >= 0)
		top_k = argument(node, estimate->top_k);
	if (top_k != NULL && IsA(top_k, Const) && !((Const *) top_k)->constisnull)
	{
		int most = DatumGetInt32(((Const *) top_k)->constvalue);

		rows = rows > 0 ? Min(rows, most) : most;
	}
	return rows;
}

PG_FUNCTION_INFO_V1(infer_planner_support);
Datum
infer_planner_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestCost))
	{
		SupportRequestCost *cost = (SupportRequestCost *) request;
		const Generator	   *generator = find_generator(cost->funcid);
		double				token = token_cost(cost->node);

		if (token == 0)
			PG_RETURN_POINTER(NULL);
		cost->startup = 0;
		cost->per_tuple =
			token * (generator != NULL ? count_generated(cost->root, cost->node, generator)
									   : count_tokens(cost->root, cost->node));
		PG_RETURN_POINTER(cost);
	}
	if (IsA(request, SupportRequestRows))
	{
		SupportRequestRows *rows = (SupportRequestRows *) request;
		const Generator	   *generator = find_generator(rows->funcid);
		char			   *name = get_func_name(rows->funcid);

		if (generator != NULL)
		{
			rows->rows = count_generated_rows(rows->node, generator);
			PG_RETURN_POINTER(rows);
		}
		for (int i = 0; name != NULL && i < lengthof(estimates); i++)
			if (strcmp(name, estimates[i].function) == 0)
			{
				double count = count_rows(rows->root, rows->node, &estimates[i]);

				if (count <= 0)
					break;
				rows->rows = Max(1, count);
				PG_RETURN_POINTER(rows);
			}
	}
	PG_RETURN_POINTER(NULL);
}
