/*
 * sentencepiece.c: a reader of the protocol buffers of SentencePiece models.
 *
 * A message is a run of fields, each a key (number and wire type) and a value.  Every length is checked against what
 * is left, and the depth is that of the format, so the work is bounded by the file's size.
 */
#include "import/sentencepiece.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* U+2047 between spaces. */
#define UNK_SURFACE " \xE2\x81\x87 "

typedef enum WireType
{
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5
} WireType;

typedef struct Message
{
	const uint8_t *data;
	size_t		   size, at;
} Message;

typedef struct Field
{
	uint32_t number;
	WireType type;
	uint64_t value; /* of a varint, or of fixed size */
	Message	 bytes;
} Field;

typedef struct Reader
{
	SentencePieceModel *model;
	Arena			   *arena;
	const Node		   *at;
	size_t				room;
	Error			   *error;
} Reader;

static bool
read_varint(Message *message, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && message->at < message->size; shift += 7)
	{
		uint8_t byte = message->data[message->at++];

		*value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
read_fixed(Message *message, size_t n, uint64_t *value)
{
	if (n > message->size - message->at)
		return false;
	*value = 0;
	for (size_t i = 0; i < n; i++)
		*value |= (uint64_t) message->data[message->at++] << 8 * i;
	return true;
}

/* The next field; *more is false at the end. */
static bool
next_field(Reader *reader, Message *message, const char *name, Field *field, bool *more)
{
	uint64_t key, length;
	bool	 good;

	*more = message->at < message->size;
	if (!*more)
		return true;
	*field = (Field){0};
	good = read_varint(message, &key) && key >> 3 > 0 && key >> 3 <= UINT32_MAX;
	if (good)
	{
		field->number = (uint32_t) (key >> 3);
		field->type = (WireType) (key & 7);
		switch (field->type)
		{
			case WIRE_VARINT:
				good = read_varint(message, &field->value);
				break;
			case WIRE_64:
				good = read_fixed(message, 8, &field->value);
				break;
			case WIRE_32:
				good = read_fixed(message, 4, &field->value);
				break;
			case WIRE_BYTES:
				good = read_varint(message, &length) && length <= message->size - message->at;
				if (good)
				{
					field->bytes = (Message){message->data + message->at, (size_t) length, 0};
					message->at += (size_t) length;
				}
				break;
			default:
				good = false;
		}
	}
	return good || node_error(reader->at, reader->error, ERR_DATA,
							  "%s is malformed at its byte %zu", name, message->at);
}

static bool
wrong_field(Reader *reader, const char *name, const char *expected)
{
	return node_error(reader->at, reader->error, ERR_DATA, "%s: expected %s", name, expected);
}

static bool
take_string(Reader *reader, const Field *field, const char *name, BuildString *string)
{
	const char *bytes = (const char *) field->bytes.data;

	if (field->type != WIRE_BYTES)
		return wrong_field(reader, name, "a string");
	for (size_t at = 0; at < field->bytes.size;)
	{
		size_t begin = at;

		if (utf8_next(bytes, field->bytes.size, &at) == 0xFFFD && at - begin != 3)
			return wrong_field(reader, name, "valid UTF-8");
	}
	string->length = field->bytes.size;
	string->bytes =
		arena_strndup(reader->arena, field->bytes.size > 0 ? bytes : "", field->bytes.size);
	return string->bytes || error_set(reader->error, ERR_MEMORY, "out of memory for a tokenizer");
}

static bool
take_int(Reader *reader, const Field *field, const char *name, int32_t *value)
{
	if (field->type != WIRE_VARINT)
		return wrong_field(reader, name, "an integer");
	*value = (int32_t) (uint32_t) field->value;
	return true;
}

static bool
take_bool(Reader *reader, const Field *field, const char *name, bool *value)
{
	if (field->type != WIRE_VARINT)
		return wrong_field(reader, name, "a boolean");
	*value = field->value != 0;
	return true;
}

static bool
take_float(Reader *reader, const Field *field, const char *name, float *value)
{
	uint32_t bits = (uint32_t) field->value;

	if (field->type != WIRE_32)
		return wrong_field(reader, name, "a number");
	memcpy(value, &bits, sizeof *value);
	/* Neither NaN nor infinite. */
	return *value - *value == 0 || wrong_field(reader, name, "a finite number");
}

static bool
take_message(Reader *reader, const Field *field, const char *name, Message *message)
{
	if (field->type != WIRE_BYTES)
		return wrong_field(reader, name, "a message");
	*message = field->bytes;
	return true;
}

static bool
read_piece(Reader *reader, const Field *outer)
{
	SentencePieceModel *model = reader->model;
	SentencePiece		piece = {.type = PIECE_NORMAL};
	Message				message;
	Field				field;
	bool				more;
	int32_t				type = PIECE_NORMAL;
	char				name[32];

	snprintf(name, sizeof name, "pieces[%zu]", model->n);
	if (!take_message(reader, outer, name, &message))
		return false;
	for (;;)
	{
		if (!next_field(reader, &message, name, &field, &more))
			return false;
		if (!more)
			break;
		if ((field.number == 1 && !take_string(reader, &field, name, &piece.text)) ||
			(field.number == 2 && !take_float(reader, &field, name, &piece.score)) ||
			(field.number == 3 && !take_int(reader, &field, name, &type)))
			return false;
	}
	if (type < PIECE_NORMAL || type > PIECE_BYTE)
		return node_error(reader->at, reader->error, ERR_DATA, "%s: %d is no type", name, type);
	if (piece.text.length == 0)
		return wrong_field(reader, name, "a piece that is not empty");
	piece.type = (PieceType) type;
	if (model->n == reader->room)
	{
		size_t		   room = reader->room ? reader->room * 2 : 4096;
		SentencePiece *grown;

		if (model->n > BUILD_MAX_ID)
			return node_error(reader->at, reader->error, ERR_LIMIT, "more than %d pieces",
							  BUILD_MAX_ID);
		grown = arena_alloc_raw(reader->arena, room, sizeof *grown);
		if (!grown)
			return error_set(reader->error, ERR_MEMORY, "out of memory for a tokenizer");
		if (model->n > 0)
			memcpy(grown, model->pieces, model->n * sizeof *grown);
		model->pieces = grown;
		reader->room = room;
	}
	model->pieces[model->n++] = piece;
	return true;
}

static bool
read_trainer(Reader *reader, const Field *outer)
{
	SentencePieceModel *model = reader->model;
	Message				message;
	Field				field;
	bool				more, suffix = false;
	int32_t				type = (int32_t) model->type;

	if (!take_message(reader, outer, "trainer_spec", &message))
		return false;
	for (;;)
	{
		bool good = next_field(reader, &message, "trainer_spec", &field, &more);

		if (!good)
			return false;
		if (!more)
			break;
		switch (field.number)
		{
			case 3:
				good = take_int(reader, &field, "trainer_spec.model_type", &type);
				break;
			case 24:
				good =
					take_bool(reader, &field, "trainer_spec.treat_whitespace_as_suffix", &suffix);
				break;
			case 35:
				good =
					take_bool(reader, &field, "trainer_spec.byte_fallback", &model->byte_fallback);
				break;
			case 40:
				good = take_int(reader, &field, "trainer_spec.unk_id", &model->trainer_unk_id);
				break;
			case 44:
				good = take_string(reader, &field, "trainer_spec.unk_surface", &model->unk_surface);
				break;
			case 45:
				good = take_string(reader, &field, "trainer_spec.unk_piece", &model->unk_piece);
				break;
			default:
				break;
		}
		if (!good)
			return false;
	}
	if (type != SENTENCEPIECE_UNIGRAM && type != SENTENCEPIECE_BPE)
		return node_error(reader->at, reader->error, ERR_UNSUPPORTED,
						  "trainer_spec.model_type: type %d is not supported", type);
	if (suffix)
		return node_error(reader->at, reader->error, ERR_UNSUPPORTED,
						  "trainer_spec.treat_whitespace_as_suffix is not supported");
	model->type = (SentencePieceModelType) type;
	return true;
}

static bool
read_normalizer(Reader *reader, const Field *outer, const char *name,
				SentencePieceNormalizer *normalizer)
{
	Message message, charsmap = {0};
	Field	field;
	bool	more;

	if (!take_message(reader, outer, name, &message))
		return false;
	for (;;)
	{
		bool good = next_field(reader, &message, name, &field, &more);

		if (!good || !more)
			return good;
		switch (field.number)
		{
			case 2:
				good = take_message(reader, &field, name, &charsmap);
				normalizer->charsmap = charsmap.size > 0 ? charsmap.data : NULL;
				normalizer->n_charsmap = charsmap.size;
				break;
			case 3:
				good = take_bool(reader, &field, name, &normalizer->add_dummy_prefix);
				break;
			case 4:
				good = take_bool(reader, &field, name, &normalizer->remove_extra_whitespaces);
				break;
			case 5:
				good = take_bool(reader, &field, name, &normalizer->escape_whitespaces);
				break;
			default:
				break;
		}
		if (!good)
			return false;
	}
}

/* Exactly one piece is the unknown one. */
static bool
find_unknown(Reader *reader)
{
	SentencePieceModel *model = reader->model;
	size_t				n = 0;

	for (size_t i = 0; i < model->n; i++)
		if (model->pieces[i].type == PIECE_UNKNOWN)
		{
			model->unk_id = (int32_t) i;
			n++;
		}
	return n == 1 || node_error(reader->at, reader->error, ERR_DATA,
								"pieces: expected one unknown piece, found %zu", n);
}

bool
sentencepiece_read(SentencePieceModel *model, Arena *arena, const Node *at, const uint8_t *data,
				   size_t size, Error *error)
{
	Reader					reader = {.model = model, .arena = arena, .at = at, .error = error};
	Message					message = {data, size, 0};
	SentencePieceNormalizer denormalizer = {0};
	Field					field;
	bool					more;

	*model = (SentencePieceModel){
		.type = SENTENCEPIECE_UNIGRAM,
		.unk_piece = {"<unk>", 5},
		.unk_surface = {UNK_SURFACE, sizeof UNK_SURFACE - 1},
		.normalizer = {.add_dummy_prefix = true,
					   .remove_extra_whitespaces = true,
					   .escape_whitespaces = true},
	};
	for (;;)
	{
		bool good = next_field(&reader, &message, "the model", &field, &more);

		if (!good)
			return false;
		if (!more)
			break;
		switch (field.number)
		{
			case 1:
				good = read_piece(&reader, &field);
				break;
			case 2:
				good = read_trainer(&reader, &field);
				break;
			case 3:
				good = read_normalizer(&reader, &field, "normalizer_spec", &model->normalizer);
				break;
			case 5:
				good = read_normalizer(&reader, &field, "denormalizer_spec", &denormalizer);
				break;
			default:
				break;
		}
		if (!good)
			return false;
	}
	if (denormalizer.charsmap)
		return node_error(at, error, ERR_UNSUPPORTED,
						  "denormalizer_spec.precompiled_charsmap is not supported");
	return find_unknown(&reader);
}
