/*
 * token_decoders.c: the decoders BPEDecoder, CTC and Strip, which look at one token at a time.
 *
 * DECODER_BPE: the table is the suffix.  DECODER_CTC: the table is the padding token, args[0] bytes long, and behind it
 * the delimiter of words, which becomes a space when args[1], for cleaning up, is 1.  DECODER_STRIP: at most args[1]
 * characters args[0] are dropped in front of each token, and args[2] behind.
 */
#include "tok/component.h"

static bool
bytes_open(Component *component, const void *data, size_t size)
{
	component->bytes = size > 0 ? data : "";
	component->length = size;
	return true;
}

/* Every suffix becomes a space, or nothing in the last token. */
static bool
bpe_decode(const Component *component, Decoding *decoding)
{
	for (size_t i = 0; i < decoding->n; i++)
		if (!fragment_replace(decoding, &decoding->fragments[i], component->bytes,
							  component->length, " ", i + 1 < decoding->n ? 1 : 0))
			return false;
	return true;
}

const ComponentType bpe_decoder_type = {
	.kind = DECODER_BPE,
	.name = "BPEDecoder",
	.open = bytes_open,
	.decode = bpe_decode,
};

static bool
ctc_open(Component *component, const void *data, size_t size)
{
	return bytes_open(component, data, size) && component->record->args[0] >= 0 &&
		   (size_t) component->record->args[0] <= size;
}

/* Repetitions and padding vanish (Graves et al. 2006). */
static bool
ctc_decode(const Component *component, Decoding *decoding)
{
	size_t	 n_pad = (size_t) component->record->args[0], n = 0;
	Fragment last = {0};

	for (size_t i = 0; i < decoding->n; i++)
	{
		Fragment fragment = decoding->fragments[i];

		if (i > 0 && fragment.length == last.length &&
			memcmp(fragment.bytes, last.bytes, last.length) == 0)
			continue;
		last = fragment;
		if (!fragment_replace(decoding, &fragment, component->bytes, n_pad, "", 0))
			return false;
		if (component->record->args[1] &&
			(!fragment_clean_up(decoding, &fragment, true) ||
			 !fragment_replace(decoding, &fragment, component->bytes + n_pad,
							   component->length - n_pad, " ", 1)))
			return false;
		if (fragment.length > 0)
			decoding->fragments[n++] = fragment;
	}
	decoding->n = n;
	return true;
}

const ComponentType ctc_decoder_type = {
	.kind = DECODER_CTC,
	.name = "CTC",
	.open = ctc_open,
	.decode = ctc_decode,
};

static bool
strip_open(Component *component, const void *data, size_t size)
{
	return component->record->args[0] >= 0 && component->record->args[0] <= CHAR_LAST;
}

static bool
strip_decode(const Component *component, Decoding *decoding)
{
	char   mark[4];
	size_t n = (size_t) utf8_put((uint32_t) component->record->args[0], mark);

	for (size_t i = 0; i < decoding->n; i++)
	{
		Fragment *fragment = &decoding->fragments[i];
		size_t	  begin = 0, end = fragment->length;

		for (int32_t left = component->record->args[1];
			 left > 0 && end - begin >= n && memcmp(fragment->bytes + begin, mark, n) == 0; left--)
			begin += n;
		for (int32_t left = component->record->args[2];
			 left > 0 && end - begin >= n && memcmp(fragment->bytes + end - n, mark, n) == 0;
			 left--)
			end -= n;
		fragment->bytes += begin;
		fragment->length = end - begin;
	}
	return true;
}

const ComponentType strip_decoder_type = {
	.kind = DECODER_STRIP,
	.name = "Strip decoder",
	.open = strip_open,
	.decode = strip_decode,
};
