/*
 * service.c: the table of functions and the heads that they can use.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "model/model.h"
#include "pg/service.h"

#define ON(head) (1u << (head))
#define GENERATORS ON(HEAD_CAUSAL_LM)
#define LANGUAGE_MODELS (ON(HEAD_CAUSAL_LM) | ON(HEAD_MASKED_LM) | ON(HEAD_PRE_TRAINING))

typedef struct Service
{
	const char *function; /* in schema infer */
	unsigned	heads;
} Service;

static const Service services[] = {
	{"classify", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"classify_scores", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"classify_labels", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"classify_many", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"zero_shot", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"score", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"rerank", ON(HEAD_SEQUENCE_CLASSIFICATION)},
	{"tag", ON(HEAD_TOKEN_CLASSIFICATION)},
	{"answer", ON(HEAD_QUESTION_ANSWERING)},
	{"answers", ON(HEAD_QUESTION_ANSWERING)},
	{"fill_mask", ON(HEAD_MASKED_LM) | ON(HEAD_PRE_TRAINING)},
	{"choose", ON(HEAD_MULTIPLE_CHOICE)},
	{"choose_scores", ON(HEAD_MULTIPLE_CHOICE)},
	{"log_likelihood", LANGUAGE_MODELS},
	{"perplexity", LANGUAGE_MODELS},
	{"token_logprobs", LANGUAGE_MODELS},
	{"generate", GENERATORS},
	{"generate_many", GENERATORS},
	{"generate_stream", GENERATORS},
	{"generate_enum", GENERATORS},
	{"generate_row", GENERATORS},
	{"generate_ids", GENERATORS},
	{"generate_ids_many", GENERATORS},
};

char *
services_of(const Model *model)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(services); i++)
		if (services[i].heads & ON(model->head))
			appendStringInfo(&list, "infer.%s, ", services[i].function);
	appendStringInfoString(&list, "infer.embed, infer.forward");
	return list.data;
}

void
require_service(ModelHandle *handle, const char *function)
{
	const Model *model = handle_model(handle);

	for (int i = 0; i < lengthof(services); i++)
		if (strcmp(services[i].function, function) == 0 && (services[i].heads & ON(model->head)))
		{
			require_tokenizer(handle);
			return;
		}
	ereport(
		ERROR,
		(errcode(ERRCODE_WRONG_OBJECT_TYPE),
		 errmsg("model \"%s\" does not have the head that infer.%s needs", handle->name, function),
		 errdetail("Its class is %s, which serves %s.", model->architecture, services_of(model))));
}

const char *
service_label(const ModelHandle *handle, int i)
{
	if (i < image_strings(&handle->image, "labels"))
		return image_string(&handle->image, "labels", i);
	return psprintf("LABEL_%d", i);
}

const char *const *
service_labels(ModelHandle *handle, int *n)
{
	const Model *model = handle_model(handle);
	const char **labels = palloc(sizeof(char *) * Max(1, model->n_labels));

	*n = model->n_labels;
	for (int i = 0; i < *n; i++)
		labels[i] = service_label(handle, i);
	return labels;
}
