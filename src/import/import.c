/*
 * import.c: from a directory to an image, step by step.
 *
 * An Import lives for one import_model.  It writes a scratch file beside the image's place: settings, tokenizer,
 * tensors; then computes the golden output from that file, appends it with the model card, and renames.
 * For a reduced precision the fp32 image is written first, to a second scratch file, to measure against.
 */
#include "import/import.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "import/json.h"
#include "import/scratch.h"
#include "import/session.h"
#include "import/tokenizer.h"
#include "task/deviation.h"

#define CARD_LIMIT ((size_t) 4 << 20)
#define MEASURED_BYTES 600

typedef struct Import
{
	const char			*directory;
	const ImportOptions *options;
	Arena				*arena;
	ImportReport		*report;
	Error				*error;
	Folder				 folder;
	char				*config_text; /* NULL: there is no config.json */
	size_t				 config_size;
	Params				 config;
	Params				 generation; /* generation_config.json */
	bool				 has_generation;
	Checkpoint			 checkpoint;
	Model				 model; /* configured when the folder has weights */
	bool				 has_weights;
	TokenizerSummary	 tokenizer; /* when report->has_tokenizer */
} Import;

/* ---- reading the folder ---- */

/* The text of config.json, an object, with the option's keys behind its own: of a key given twice the last
 * counts, everywhere. */
static bool
change_config(Import *self, bool empty)
{
	const char *changes = self->options->config, *end = strrchr(self->config_text, '}');
	size_t		kept = end != NULL ? (size_t) (end - self->config_text) : 0;
	size_t		size = kept + strlen(changes) + 2;
	char	   *text = arena_alloc(self->arena, size, 1);

	if (text == NULL)
		return error_set(self->error, ERR_MEMORY, "out of memory for config.json");
	snprintf(text, size, "%.*s%s%s", (int) kept, self->config_text,
			 empty || strcmp(changes, "{}") == 0 ? "" : ",", changes + 1);
	self->config_text = text;
	self->config_size = strlen(text);
	return true;
}

static json_t *
read_object(Import *self, const char *name, const char *text, size_t size)
{
	json_t *json = json_parse(text, size, name, self->error);

	if (json == NULL || json_is_object(json))
		return json;
	json_decref(json);
	error_set(self->error, ERR_DATA, "%s does not hold a JSON object", name);
	return NULL;
}

/* Reads a file that holds a JSON object, if it is there: *text is NULL else. */
static bool
read_params(Import *self, const char *name, char **text, size_t *size, Params *params)
{
	char	path[FOLDER_MAX_PATH];
	json_t *json;
	bool	ok;

	if (!folder_path(path, self->folder.transformer, name, self->error))
		return false;
	if (!folder_has(self->folder.transformer, name))
		return true;
	*text = file_read(self->arena, path, JSON_CONFIG_LIMIT, size, self->error);
	if (*text == NULL)
		return false;
	json = read_object(self, name, *text, *size);
	if (json == NULL)
		return false;
	if (params == &self->config && self->options->config != NULL)
	{
		ok = change_config(self, json_object_size(json) == 0);
		json_decref(json);
		json = ok ? read_object(self, name, *text, *size) : NULL;
		if (json == NULL)
			return false;
	}
	ok = json_params(json, self->arena, params, self->error);
	json_decref(json);
	return ok;
}

static bool
read_configs(Import *self)
{
	char  *text = NULL;
	size_t size;

	if (!read_params(self, "config.json", &self->config_text, &self->config_size, &self->config) ||
		!read_params(self, "generation_config.json", &text, &size, &self->generation))
		return false;
	if (self->config_text == NULL && self->options->config != NULL)
		return error_set(self->error, ERR_NOT_FOUND,
						 "option config is given, but directory \"%s\" has no config.json",
						 self->folder.transformer);
	self->has_generation = text != NULL;
	return true;
}

static bool
has_tensor(const void *argument, const char *name)
{
	const Checkpoint *checkpoint = argument;

	for (int i = 0; i < checkpoint->n; i++)
		if (strcmp(checkpoint->tensors[i].name, name) == 0)
			return true;
	return false;
}

static bool
configure(Import *self)
{
	const ImportOptions *options = self->options;
	const char			*architecture = options->architecture;

	if (!self->has_weights)
	{
		if (options->architecture == NULL && options->precision == PRECISION_FP32)
			return true;
		return error_set(self->error, ERR_NOT_FOUND, "directory \"%s\" has no weights",
						 self->directory);
	}
	if (self->config_text == NULL)
		return error_set(self->error, ERR_NOT_FOUND, "directory \"%s\" has no config.json",
						 self->folder.transformer);
	if (architecture == NULL)
		architecture = model_class_by_tensors(&self->config, has_tensor, &self->checkpoint);
	if (!model_configure(&self->model, &self->config, architecture, self->error))
		return false;
	self->report->architecture = self->model.architecture;
	if (options->max_length > self->model.max_tokens)
		return error_set(self->error, ERR_LIMIT,
						 "option max_length is %d, but the model has positions for %d tokens",
						 options->max_length, self->model.max_tokens);
	return true;
}

static bool
read_folder(Import *self)
{
	struct stat status;

	if (stat(self->directory, &status) != 0)
		return error_errno(self->error, "could not open directory \"%s\"", self->directory);
	if (!S_ISDIR(status.st_mode))
		return error_set(self->error, ERR_ARGUMENT, "\"%s\" is not a directory", self->directory);
	return folder_read(&self->folder, self->arena, self->directory, self->error) &&
		   read_configs(self) &&
		   checkpoint_open(&self->checkpoint, self->folder.transformer, &self->has_weights,
						   self->error) &&
		   configure(self);
}

/* ---- labels and prompts ---- */

/* The labels of config.json's id2label, which must be 0 .. n - 1; *n is 0 when there is none. */
static bool
config_labels(const Import *self, const char ***labels, int *n)
{
	static const char prefix[] = "id2label.";
	const Params	 *config = &self->config;

	*n = 0;
	for (int i = 0; i < config->n; i++)
		if (strncmp(config->items[i].key, prefix, sizeof prefix - 1) == 0)
			(*n)++;
	*labels = arena_alloc(self->arena, (size_t) *n + 1, sizeof **labels);
	if (*labels == NULL)
		return error_set(self->error, ERR_MEMORY, "out of memory for %d labels", *n);
	for (int i = 0; i < *n; i++)
	{
		char key[64];

		snprintf(key, sizeof key, "%s%d", prefix, i);
		if (params_find(config, key) == NULL)
			return error_set(self->error, ERR_DATA,
							 "config.json has %d labels in \"id2label\", but none of number %d", *n,
							 i);
		if (!params_string(config, key, "", &(*labels)[i], self->error))
			return false;
	}
	return true;
}

static bool
write_labels(const Import *self, ImageWriter *writer)
{
	const ImportOptions *options = self->options;
	const char		   **labels;
	int					 n;

	if (!config_labels(self, &labels, &n))
		return false;
	if (options->labels == NULL)
		return n == 0 || image_write_strings(writer, "labels", labels, n, self->error);
	if (n > 0 && n != options->n_labels)
		return error_set(self->error, ERR_ARGUMENT,
						 "option labels has %d labels, but config.json has %d", options->n_labels,
						 n);
	return image_write_strings(writer, "labels", options->labels, options->n_labels, self->error);
}

/* The prompts that count: the option's, else the folder's. */
static const char *const *
chosen_prompts(const Import *self, int *n)
{
	*n = self->options->has_prompts ? self->options->n_prompts : self->folder.n_prompts;
	return self->options->has_prompts ? self->options->prompts : self->folder.prompts;
}

static bool
write_prompts(const Import *self, ImageWriter *writer)
{
	int				   n;
	const char *const *prompts = chosen_prompts(self, &n);

	return n == 0 || image_write_strings(writer, "prompts", prompts, 2 * n, self->error);
}

/* The name of the prompt to use by default, or NULL; *ok is false when the folder names one it does not have. */
static const char *
default_prompt(const Import *self, bool *ok)
{
	const char		  *name = self->folder.default_prompt;
	int				   n;
	const char *const *prompts = chosen_prompts(self, &n);

	*ok = true;
	for (int i = 0; name != NULL && i < n; i++)
		if (strcmp(prompts[2 * i], name) == 0)
			return name;
	if (name != NULL && !self->options->has_prompts)
		*ok = error_set(self->error, ERR_DATA,
						"the default prompt \"%.100s\" is not one of the model's prompts", name);
	return NULL;
}

/* ---- the importer's decisions ---- */

static int
chosen_max_length(const Import *self)
{
	int64_t positions = self->has_weights ? self->model.max_tokens : INT_MAX;
	int64_t length = positions;

	if (self->options->max_length > 0)
		return self->options->max_length;
	if (self->folder.max_seq_length > 0)
		length = self->folder.max_seq_length;
	else if (self->report->has_tokenizer && self->tokenizer.model_max_length > 0)
		length = self->tokenizer.model_max_length;
	return (int) (length < positions ? length : positions);
}

static bool
add_weights_params(const Import *self, ParamsBuilder *builder, Precision precision,
				   int64_t parameters)
{
	const ImportOptions *options = self->options;
	const Model			*model = &self->model;
	Pooling				 pooling = options->has_pooling ? options->pooling : self->folder.pooling;
	bool   normalize = options->has_normalize ? options->normalize : self->folder.normalize;
	Error *error = self->error;

	return params_add_string(builder, "family", model->family->model_type, error) &&
		   params_add_string(builder, "architecture", model->architecture, error) &&
		   params_add_string(builder, "precision", precision_name(precision), error) &&
		   params_add_string(builder, "pooling", pooling_name(pooling), error) &&
		   params_add_bool(builder, "normalize", normalize, error) &&
		   params_add_bool(builder, "strips", self->folder.strips, error) &&
		   params_add_int(builder, "parameters", parameters, error) &&
		   params_add_int(builder, "hidden_size", model->hidden_size, error);
}

static bool
write_model_params(const Import *self, ImageWriter *writer, Precision precision, int64_t parameters)
{
	const ImportOptions *options = self->options;
	Error				*error = self->error;
	bool				 ok;
	const char			*prompt = default_prompt(self, &ok);
	ParamsBuilder		 builder;
	Params				 params;

	params_builder_init(&builder, self->arena);
	return ok &&
		   (!self->has_weights || add_weights_params(self, &builder, precision, parameters)) &&
		   params_add_bool(&builder, "has_weights", self->has_weights, error) &&
		   params_add_bool(&builder, "has_tokenizer", self->report->has_tokenizer, error) &&
		   params_add_bool(&builder, "has_fast", self->tokenizer.is_fast, error) &&
		   params_add_int(&builder, "max_length", chosen_max_length(self), error) &&
		   params_add_string(&builder, "truncate", truncate_name(options->truncate), error) &&
		   (prompt == NULL || params_add_string(&builder, "default_prompt", prompt, error)) &&
		   (options->description == NULL ||
			params_add_string(&builder, "description", options->description, error)) &&
		   params_build(&builder, &params, error) &&
		   image_write_params(writer, "model", &params, error);
}

/* ---- writing ---- */

/* What does not depend on the weights' precision. */
static bool
write_settings(Import *self, ImageWriter *writer)
{
	int				 use_fast = self->options->has_use_fast ? self->options->use_fast : -1;
	TokenizerOptions options = {.use_fast = use_fast, .lower_case = self->folder.lower_case};

	if (self->config_text != NULL &&
		!image_write_bytes(writer, SECTION_TEXT, "config.json", self->config_text,
						   self->config_size, self->error))
		return false;
	if (self->has_generation &&
		!image_write_params(writer, "generation", &self->generation, self->error))
		return false;
	if (!write_labels(self, writer) || !write_prompts(self, writer) ||
		!import_tokenizer(writer, self->folder.transformer, &options, &self->report->has_tokenizer,
						  &self->tokenizer, self->error))
		return false;
	if (self->has_weights || self->report->has_tokenizer)
		return true;
	error_set(self->error, ERR_NOT_FOUND, "directory \"%s\" has neither weights nor a tokenizer",
			  self->directory);
	return error_hint(self->error, "It must hold a model as save_pretrained() writes it.");
}

/* Writes all that an image holds but golden output and model card; a reference holds what it takes to compute. */
static bool
write_image(Import *self, const char *path, Precision precision, bool reference)
{
	ImageWriter *writer = image_writer_create(path, self->error);
	BindReport	*tensors = &self->report->tensors;
	BindOptions	 binding = {.precision = precision, .forward_ema = self->options->forward_ema};
	bool		 ok;

	if (writer == NULL)
		return false;
	ok = image_write_params(writer, "config", &self->config, self->error) &&
		 (reference || write_settings(self, writer)) &&
		 (!self->has_weights || import_bind(&self->model, &self->checkpoint, writer, &binding,
											self->arena, tensors, self->error)) &&
		 write_model_params(self, writer, precision, tensors->parameters);
	if (ok)
		return image_writer_finish(writer, self->error);
	image_writer_abort(writer);
	return false;
}

/* Checks the options that only bound weights can tell. */
static bool
check_pooler(const Import *self, const Model *model)
{
	Pooling pooling;

	pooling = self->options->has_pooling ? self->options->pooling : self->folder.pooling;
	return pooling != POOLING_POOLER || model->has_pooler ||
		   error_set(self->error, ERR_ARGUMENT,
					 "option pooling is pooler, but the checkpoint has no pooler");
}

/* Whether the special tokens of a text fit into it. */
static bool
check_max_length(const Import *self, const Session *session)
{
	int special = session->has_tokenizer ? tokenizer_template_size(&session->tokenizer, false) : 0;
	int max_length = chosen_max_length(self);

	return special <= max_length ||
		   error_set(self->error, ERR_ARGUMENT,
					 "max_length is %d, but the tokenizer adds %d special tokens to every text",
					 max_length, special);
}

/* The output of an image for the golden input: malloc'd, (golden->n_sequences, hidden_size); NULL on error.  What there is
 * to compare of it is sampled where that is asked for. */
static float *
compute_golden(const Import *self, const char *path, Golden *golden, Sample *sample)
{
	Error		  *error = self->error;
	const Kernels *kernels = session_exact_kernels(error);
	Session		   session;
	float		  *out;

	if (kernels == NULL || !session_open(&session, path, kernels, 1, error))
		return NULL;
	golden_make(golden, &session.model);
	out = malloc((size_t) golden->n_sequences * (size_t) session.model.hidden_size * sizeof *out);
	if (out == NULL)
		error_set(error, ERR_MEMORY, "out of memory for the golden output");
	else if (!check_pooler(self, &session.model) || !check_max_length(self, &session) ||
			 !golden_run(golden, session.runner, &session.model, out, error) ||
			 (sample != NULL && !sample_compute(sample, &session.model, golden, error)))
	{
		free(out);
		out = NULL;
	}
	session_close(&session);
	return out;
}

/* ---- the model card ---- */

/* README.md as valid UTF-8 without NULs, in the arena; "" when there is none. */
static const char *
read_card(const Import *self)
{
	char   path[FOLDER_MAX_PATH];
	char  *text, *clean;
	size_t size, length = 0;

	if (!folder_has(self->directory, "README.md"))
		return "";
	if (!folder_path(path, self->directory, "README.md", self->error))
		return NULL;
	text = file_read(self->arena, path, CARD_LIMIT, &size, self->error);
	if (text == NULL)
		return NULL;
	clean = arena_alloc_raw(self->arena, size + 1, 4);
	if (clean == NULL)
	{
		error_set(self->error, ERR_MEMORY, "out of memory for the model card");
		return NULL;
	}
	for (size_t at = 0; at < size;)
	{
		uint32_t character = utf8_next(text, size, &at);

		length += (size_t) utf8_put(character != 0 ? character : 0xfffd, clean + length);
	}
	clean[length] = '\0';
	return clean;
}

/* The part of the card that tells what a reduced precision costs. */
static void
describe(char out[MEASURED_BYTES], const char *precision, bool behind, const Deviation *deviation)
{
	const Difference *hidden = &deviation->hidden_states, *logits = &deviation->logits;
	char			  row[100] = "";

	if (deviation->has_logits)
		snprintf(row, sizeof row, "| logits | %.3g | %.3g | %.6f |\n", logits->relative,
				 logits->largest, logits->cosine);
	snprintf(
		out, MEASURED_BYTES,
		"%sStored as %s. For a test input of %d tokens the outputs differ from those of the same "
		"weights in fp32:\n\n"
		"| output | relative difference | largest difference | least cosine |\n"
		"|---|--:|--:|--:|\n"
		"| last hidden states | %.3g | %.3g | %.6f |\n%s",
		behind ? "\n---\n\n" : "", precision, deviation->n_tokens, hidden->relative,
		hidden->largest, hidden->cosine, row);
}

static bool
write_card(const Import *self, ImageWriter *writer)
{
	const ImportReport *report = self->report;
	const char		   *card = read_card(self);
	char				measured[MEASURED_BYTES] = "";
	size_t				length;
	char			   *whole;

	if (card == NULL)
		return false;
	if (report->measured)
		describe(measured, precision_name(self->options->precision), *card != '\0',
				 &report->deviation);
	length = strlen(card) + strlen(measured);
	if (length == 0)
		return true;
	whole = arena_alloc_raw(self->arena, length + 1, 1);
	if (whole == NULL)
		return error_set(self->error, ERR_MEMORY, "out of memory for the model card");
	strcpy(whole, card);
	strcat(whole, measured);
	return image_write_bytes(writer, SECTION_TEXT, "README.md", whole, length, self->error);
}

/* Appends golden input and output (NULL: no weights) and the model card. */
static bool
append(const Import *self, const char *path, const Golden *golden, const float *output)
{
	ImageWriter *writer = image_writer_append(path, self->error);

	if (writer == NULL)
		return false;
	if ((output == NULL ||
		 golden_write(writer, golden, output, self->model.hidden_size, self->error)) &&
		write_card(self, writer))
		return image_writer_finish(writer, self->error);
	image_writer_abort(writer);
	return false;
}

/* ---- all of it ---- */

/* Writes and completes the image at path; reference is a second scratch file, for the fp32 image. */
static bool
build(Import *self, const char *path, const char *reference)
{
	Precision precision = self->options->precision;
	bool	  reduced = self->has_weights && precision != PRECISION_FP32, ok = true;
	Sample	  sample = {0}, exact = {0};
	Golden	  golden;
	float	 *output = NULL;

	if (reduced)
	{
		ok = write_image(self, reference, PRECISION_FP32, true) &&
			 (output = compute_golden(self, reference, &golden, &exact)) != NULL;
		unlink(reference);
		free(output);
		output = NULL;
	}
	ok = ok && write_image(self, path, precision, false) &&
		 (!self->has_weights ||
		  (output = compute_golden(self, path, &golden, reduced ? &sample : NULL)) != NULL);
	if (ok && reduced)
	{
		self->report->measured = true;
		self->report->deviation = sample_compare(&sample, &exact);
	}
	ok = ok && append(self, path, &golden, output);
	free(output);
	sample_free(&sample);
	sample_free(&exact);
	return ok;
}

/* The directory that a path lies in. */
static bool
parent_directory(char directory[FOLDER_MAX_PATH], const char *path, Error *error)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return folder_path(directory, ".", "", error);
	if (slash - path >= FOLDER_MAX_PATH)
		return error_set(error, ERR_LIMIT, "the path \"%.200s\" is too long", path);
	memcpy(directory, path, (size_t) (slash - path));
	directory[slash - path] = '\0';
	return slash > path || folder_path(directory, "/", "", error);
}

static bool
sync_directory(const char *directory, Error *error)
{
	int	 fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		error_errno(error, "could not fsync directory \"%s\"", directory);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Gives a finished image its digest and name. */
static bool
publish(Import *self, const char *scratch, const char *directory, const ImportTarget *target)
{
	ImportReport *report = self->report;
	struct stat	  status;
	char		  name[DIGEST_HEX + 4];

	if (stat(scratch, &status) != 0)
		return error_errno(self->error, "could not stat \"%s\"", scratch);
	report->size = (size_t) status.st_size;
	if (!digest_file(scratch, report->digest, self->error))
		return false;
	snprintf(name, sizeof name, "%s.img", report->digest);
	if (!(target->path != NULL ? folder_path(report->path, target->path, "", self->error)
							   : folder_path(report->path, directory, name, self->error)))
		return false;
	if (rename(scratch, report->path) != 0)
		return error_errno(self->error, "could not rename \"%s\" to \"%s\"", scratch, report->path);
	scratch_keep(scratch);
	return sync_directory(directory, self->error);
}

/* Everything between reading the folder and the image in its place. */
static bool
produce(Import *self, const ImportTarget *target)
{
	char		directory[FOLDER_MAX_PATH], stem[FOLDER_MAX_PATH];
	const char *scratch = NULL, *reference = NULL;
	bool		ok;

	if (target->path != NULL)
		ok = parent_directory(directory, target->path, self->error) &&
			 folder_path(stem, target->path, "", self->error);
	else
		ok = folder_path(directory, target->directory, "", self->error) &&
			 folder_path(stem, directory, "import", self->error);
	if (!ok)
		return false;
	scratch = scratch_name(stem, "tmp", self->error);
	reference = scratch != NULL ? scratch_name(stem, "fp32.tmp", self->error) : NULL;
	ok = reference != NULL && build(self, scratch, reference) &&
		 publish(self, scratch, directory, target);
	scratch_remove(reference);
	if (!ok)
		scratch_remove(scratch);
	return ok;
}

bool
import_model(const char *directory, const ImportOptions *options, const ImportTarget *target,
			 Arena *arena, ImportReport *report, Error *error)
{
	Import self = {.directory = directory,
				   .options = options,
				   .arena = arena,
				   .report = report,
				   .error = error};
	bool   ok;

	*report = (ImportReport){0};
	ok = read_folder(&self) && produce(&self, target);
	report->has_weights = self.has_weights;
	model_close(&self.model);
	checkpoint_close(&self.checkpoint);
	return ok;
}
