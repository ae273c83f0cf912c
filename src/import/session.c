/*
 * session.c: opening and closing all that computing takes.
 */
#include "import/session.h"

#include <string.h>

const Kernels *
session_exact_kernels(Error *error)
{
	const Kernels *kernels = kernels_select(ISA_AUTO, error);

	if (kernels != NULL && strcmp(kernels->name, isa_name(ISA_OPENBLAS)) == 0)
		kernels = kernels_select(ISA_GENERIC, error);
	return kernels;
}

/* What of the image is there; each part is marked only once it is open. */
static bool
open_parts(Session *session, const Kernels *kernels, int threads, Error *error)
{
	const Params *params = &session->image.model;
	bool		  weights, tokenizer;

	if (!params_bool(params, "has_weights", false, &weights, error) ||
		!params_bool(params, "has_tokenizer", false, &tokenizer, error))
		return false;
	if (tokenizer && !tokenizer_open(&session->tokenizer, &session->image, error))
		return false;
	session->has_tokenizer = tokenizer;
	if (weights && !model_open(&session->model, &session->image, kernels, error))
		return false;
	session->has_weights = weights;
	session->team = team_create(threads, NULL, error);
	session->runner = session->team != NULL ? runner_create(session->team, error) : NULL;
	return session->runner != NULL;
}

bool
session_open(Session *session, const char *path, const Kernels *kernels, int threads, Error *error)
{
	*session = (Session){0};
	if (!image_open(&session->image, path, error))
		return false;
	if (open_parts(session, kernels, threads, error))
		return true;
	session_close(session);
	return false;
}

void
session_close(Session *session)
{
	if (session->runner != NULL)
		runner_free(session->runner);
	if (session->team != NULL)
		team_destroy(session->team);
	if (session->has_weights)
		model_close(&session->model);
	image_close(&session->image);
	*session = (Session){0};
}
