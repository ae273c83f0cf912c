/*
 * schema_number.c: the decimal numbers between two bounds.
 *
 * Bounds are decimal digits, never binary fractions: 0.1 is a tenth.  Numbers are written without exponents.
 */
#include "task/schema_build.h"

#include <string.h>

#define DIGITS SCHEMA_MAX_DIGITS
#define LARGEST INT64_C(999999999999999)

/* sign * (whole + 0.fraction) */
typedef struct Decimal
{
	bool	negative;
	int64_t whole;			  /* LARGEST + 1: beyond what is written */
	char	fraction[DIGITS]; /* digits 0 .. 9 */
	bool	cut;			  /* the fraction goes on behind its last digit here */
} Decimal;

typedef struct Bound
{
	bool	given, exclusive;
	Decimal value;
} Bound;

/* ---- reading bounds ---- */

/* Puts the digits of a number's text around its decimal point; false when they are too far from it. */
static bool
read_decimal(const char *text, Decimal *decimal)
{
	char digits[512];
	int	 n = 0, point = -1, exponent = 0, sign = 1;

	*decimal = (Decimal){.negative = *text == '-'};
	if (*text == '-' || *text == '+')
		text++;
	for (; (*text >= '0' && *text <= '9') || *text == '.'; text++)
	{
		if (*text == '.')
			point = n;
		else if (n < (int) sizeof digits)
			digits[n++] = (char) (*text - '0');
		else
			return false;
	}
	if (point < 0)
		point = n;
	if (*text == 'e' || *text == 'E')
	{
		text++;
		if (*text == '-' || *text == '+')
			sign = *text++ == '-' ? -1 : 1;
		for (; *text >= '0' && *text <= '9'; text++)
			exponent = exponent < 10000 ? exponent * 10 + (*text - '0') : exponent;
	}
	point += sign * exponent;
	for (int i = 0; i < (point > n ? point : n); i++)
	{
		int digit = i < n ? digits[i] : 0, place = i - point;

		if (place < 0)
			decimal->whole =
				decimal->whole > LARGEST / 10 ? LARGEST + 1 : decimal->whole * 10 + digit;
		else if (place < DIGITS)
			decimal->fraction[place] = (char) digit;
		else
			decimal->cut = decimal->cut || digit != 0;
		if (decimal->whole > LARGEST)
			decimal->whole = LARGEST + 1;
	}
	return true;
}

static int
compare_magnitudes(const Decimal *a, const Decimal *b)
{
	int order;

	if (a->whole != b->whole)
		return a->whole < b->whole ? -1 : 1;
	order = memcmp(a->fraction, b->fraction, DIGITS);
	return order != 0 ? order : (int) a->cut - (int) b->cut;
}

static bool
is_zero(const Decimal *decimal)
{
	static const Decimal zero;

	return compare_magnitudes(decimal, &zero) == 0;
}

static int
compare_decimals(const Decimal *a, const Decimal *b)
{
	bool a_negative = a->negative && !is_zero(a), b_negative = b->negative && !is_zero(b);

	if (a_negative != b_negative)
		return a_negative ? -1 : 1;
	return a_negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

/* The narrower of what "minimum" and "exclusiveMinimum" (or the maxima, lower false) ask for. */
static Bound
read_bound(SchemaBuild *build, const JsonValue *schema, bool lower)
{
	Bound bound = {0};

	for (int exclusive = 0; exclusive < 2; exclusive++)
	{
		static const char *const keys[2][2] = {{"maximum", "exclusiveMaximum"},
											   {"minimum", "exclusiveMinimum"}};
		const char				*key = keys[lower][exclusive];
		const JsonValue			*value = json_member(schema, key);
		Decimal					 decimal;
		int						 order;

		if (value == NULL)
			continue;
		if (value->type != JSON_TYPE_NUMBER || !read_decimal(value->text, &decimal))
		{
			build_error(build, ERR_ARGUMENT, "\"%s\" must be a number", key);
			return bound;
		}
		order = bound.given ? compare_decimals(&decimal, &bound.value) : 0;
		if (!bound.given || (lower ? order > 0 : order < 0) || (order == 0 && exclusive))
			bound = (Bound){.given = true, .exclusive = exclusive != 0, .value = decimal};
	}
	return bound;
}

bool
number_in_bounds(SchemaBuild *build, const JsonValue *schema, const JsonValue *number)
{
	Bound	low = read_bound(build, schema, true), high = read_bound(build, schema, false);
	Decimal value;

	if (!read_decimal(number->text, &value))
		return build_error(build, ERR_LIMIT, "a number has more than 512 digits");
	if (low.given)
	{
		int order = compare_decimals(&value, &low.value);

		if (order < 0 || (order == 0 && low.exclusive))
			return false;
	}
	if (high.given)
	{
		int order = compare_decimals(&value, &high.value);

		if (order > 0 || (order == 0 && high.exclusive))
			return false;
	}
	return true;
}

/* ---- whole numbers ---- */

/* The strings of n digits from low to high: with a digit between those in the first place where they differ, all; with
 * one of those, the strings below it. */
static void
add_digits(SchemaBuild *build, int from, const char *low, const char *high, int n, int to)
{
	static const char least[] = "0000000000000000", most[] = "9999999999999999";
	char			  begin = low[0], end = high[0];
	int				  next;

	if (n == 1)
	{
		builder_bytes(build->builder, from, (uint8_t) begin, (uint8_t) end, to);
		return;
	}
	if (begin == end || memcmp(low + 1, least, (size_t) n - 1) != 0)
	{
		next = builder_state(build->builder);
		builder_bytes(build->builder, from, (uint8_t) begin, (uint8_t) begin, next);
		add_digits(build, next, low + 1, begin == end ? high + 1 : most, n - 1, to);
		if (begin == end)
			return;
		begin++;
	}
	if (memcmp(high + 1, most, (size_t) n - 1) != 0)
	{
		next = builder_state(build->builder);
		builder_bytes(build->builder, from, (uint8_t) end, (uint8_t) end, next);
		add_digits(build, next, least, high + 1, n - 1, to);
		end--;
	}
	if (begin <= end)
	{
		next = builder_state(build->builder);
		builder_bytes(build->builder, from, (uint8_t) begin, (uint8_t) end, next);
		add_digits(build, next, least, most, n - 1, to);
	}
}

/* The whole numbers low .. high, both at least 0, without leading zeros. */
static void
add_wholes(SchemaBuild *build, int from, int64_t low, int64_t high, int to)
{
	int64_t first = 0, last = 9;

	high = high > LARGEST ? LARGEST : high;
	for (int n = 1; n <= DIGITS && low <= high; n++)
	{
		int64_t begin = low > first ? low : first, end = high < last ? high : last;

		if (begin <= end)
		{
			char digits[2][DIGITS + 1];

			for (int i = n - 1; i >= 0; i--)
			{
				digits[0][i] = (char) ('0' + begin % 10);
				digits[1][i] = (char) ('0' + end % 10);
				begin /= 10;
				end /= 10;
			}
			add_digits(build, from, digits[0], digits[1], n, to);
		}
		first = last + 1;
		last = last * 10 + 9;
	}
}

/* ---- fractions ---- */

static bool
ends_in_zeros(const Bound *bound, int from)
{
	for (int i = from; i < DIGITS; i++)
		if (bound->value.fraction[i] != 0)
			return false;
	return !bound->value.cut;
}

/* Whether the digits so far, all of them the bound's, may be the end of the fraction. */
static bool
may_end_at(const Bound *low, const Bound *high, int digits)
{
	if (low != NULL && !(ends_in_zeros(low, digits) && !low->exclusive))
		return false;
	return high == NULL || !(ends_in_zeros(high, digits) && high->exclusive);
}

/* A fraction, or none, that is not below low and not above high; NULL: any. */
static void
add_fraction(SchemaBuild *build, int from, const Bound *low, const Bound *high, int to)
{
	GrammarBuilder *builder = build->builder;
	int				states[DIGITS + 1][4]; /* after so many digits: 1 those of low, 2 of high */
	int				whole = (low != NULL ? 1 : 0) | (high != NULL ? 2 : 0);

	if (may_end_at(low, high, 0))
		builder_empty(builder, from, to);
	for (int i = 0; i <= DIGITS; i++)
		for (int tight = 0; tight < 4; tight++)
			states[i][tight] = builder_state(builder);
	builder_bytes(builder, from, '.', '.', states[0][whole]);
	for (int i = 0; i <= DIGITS; i++)
		for (int tight = 0; tight < 4; tight++)
		{
			const Bound *lower = tight & 1 ? low : NULL, *upper = tight & 2 ? high : NULL;

			if ((tight & whole) != tight)
				continue;
			if (i > 0 && may_end_at(lower, upper, i))
				builder_empty(builder, states[i][tight], to);
			for (int digit = 0; digit < 10 && i < DIGITS; digit++)
			{
				int next = tight;

				if ((lower != NULL && digit < lower->value.fraction[i]) ||
					(upper != NULL && digit > upper->value.fraction[i]))
					continue;
				if (lower != NULL && digit > lower->value.fraction[i])
					next &= ~1;
				if (upper != NULL && digit < upper->value.fraction[i])
					next &= ~2;
				builder_bytes(builder, states[i][tight], (uint8_t) ('0' + digit),
							  (uint8_t) ('0' + digit), states[i + 1][next]);
			}
		}
}

/* ---- numbers ---- */

/* Magnitudes between two bounds, of which high may be absent. */
static void
add_magnitudes(SchemaBuild *build, const Bound *low, const Bound *high, bool integer, int from,
			   int to)
{
	GrammarBuilder *builder = build->builder;
	int64_t			begin = low->value.whole, end = high->given ? high->value.whole : LARGEST + 1;
	int				behind;

	if (integer)
	{
		/* low's next whole number, high's last one */
		begin += !ends_in_zeros(low, 0) || low->exclusive;
		end -= high->given && ends_in_zeros(high, 0) && high->exclusive;
		add_wholes(build, from, begin, end, to);
		return;
	}
	if (begin > end)
		return;
	behind = builder_state(builder);
	add_wholes(build, from, begin, begin, behind);
	add_fraction(build, behind, low, begin == end ? high : NULL, to);
	if (begin == end)
		return;
	behind = builder_state(builder);
	add_wholes(build, from, begin + 1, end - 1, behind);
	add_fraction(build, behind, NULL, NULL, to);
	if (high->given)
	{
		behind = builder_state(builder);
		add_wholes(build, from, end, end, behind);
		add_fraction(build, behind, NULL, high, to);
	}
}

void
build_number(SchemaBuild *build, const JsonValue *schema, bool integer, int from, int to)
{
	static const Bound zero = {.given = true}, above_zero = {.given = true, .exclusive = true};
	Bound			   low = read_bound(build, schema, true);
	Bound			   high = read_bound(build, schema, false);
	bool			   low_negative, high_negative;

	if (build_failed(build))
		return;
	if (low.given && high.given)
	{
		int order = compare_decimals(&low.value, &high.value);

		if (order > 0 || (order == 0 && (low.exclusive || high.exclusive)))
		{
			build_error(build, ERR_ARGUMENT, "no number lies between minimum and maximum");
			return;
		}
	}
	low_negative = !low.given || (low.value.negative && !is_zero(&low.value));
	high_negative = high.given && ((high.value.negative && !is_zero(&high.value)) ||
								   (is_zero(&high.value) && high.exclusive));
	if (!high_negative)
		add_magnitudes(build, low_negative ? &zero : &low, &high, integer, from, to);
	if (low_negative)
	{
		int minus = builder_state(build->builder);

		builder_bytes(build->builder, from, '-', '-', minus);
		add_magnitudes(build, high_negative ? &high : &above_zero, &low, integer, minus, to);
	}
}
