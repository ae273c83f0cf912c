# make, make install, make installcheck: the extension, as PGXS has it.
# make check-unit: the core's own tests.  make fuzz-replay: hostile inputs.  ./check.sh runs everything.

EXTENSION = pg_infer
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_infer.control)
MODULE_big = pg_infer

CORE_DIRS = base math image tok model task
CORE_OBJS = $(patsubst %.c,%.o,$(sort $(foreach d,$(CORE_DIRS),$(wildcard src/$(d)/*.c))))
PG_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/pg/*.c)))
COMMAND_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/import/*.c)))
OBJS = $(CORE_OBJS) $(PG_OBJS)

DATA_built = pg_infer--$(EXTVERSION).sql
REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=pg_infer
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=pg_infer
EXTRA_CLEAN = $(COMMAND_OBJS) build pg_infer--*.sql $(wildcard src/*/*.d test/*/*.d)

PKG_CONFIG ?= pkg-config
# Only what a backend needs is linked into pg_infer.so; jansson, libzip, HDF5 and msgpack belong to the command.
MSGPACK := $(shell $(PKG_CONFIG) --exists msgpack-c && echo msgpack-c || echo msgpack)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs icu-uc icu-i18n) -lm -ldl -pthread -Wl,--version-script=src/pg/exports.map
COMMAND_LIBS = $(shell $(PKG_CONFIG) --libs jansson libzip hdf5 $(MSGPACK) icu-uc icu-i18n) -lm -ldl -pthread
# Debian has PostgreSQL's static libraries in pkglibdir, PostgreSQL's own make install in libdir.
PG_LIBS = -L$(shell $(PG_CONFIG) --pkglibdir) -L$(shell $(PG_CONFIG) --libdir) -lpgcommon_shlib -lpgport_shlib -lcrypto

HDF5_CPPFLAGS = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags-only-I hdf5))

PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-declaration-after-statement \
	-Wno-missing-field-initializers -ffp-contract=off -MMD -MP $(CLANG_CFLAGS)
# PostgreSQL's own flags are the ones that its gcc knew.
CLANG_CFLAGS = $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
override with_llvm = no
include $(PGXS)
# PostgreSQL 18's flag, where it was compiled by gcc 14, is not known to gcc 12.
override CFLAGS := $(filter-out -Wmissing-variable-declarations,$(CFLAGS))

# Instruction sets are chosen at run time: only the files named after one are compiled for it.  (%: for the
# sanitized objects below too.)
ifneq (,$(findstring x86_64,$(shell $(CC) -dumpmachine)))
%math/kernels_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
%math/kernels_avx2.o: CFLAGS += -mavx2 -mfma
%math/kernels_generic_fma.o: CFLAGS += -mfma
endif
src/import/jieba_words.o build/sanitized/src/import/jieba_words.o build/fuzzer/src/import/jieba_words.o: src/import/jieba/words.bin
src/math/kernels_generic.o src/math/kernels_generic_fma.o: CFLAGS += -O3
%import/hdf5.o build/unit/test_hdf5: CPPFLAGS += $(HDF5_CPPFLAGS)
$(CORE_OBJS) $(COMMAND_OBJS): CFLAGS += -Wsign-compare -fvisibility=hidden

-include $(patsubst %.o,%.d,$(OBJS) $(COMMAND_OBJS))

pg_infer--$(EXTVERSION).sql: $(sort $(wildcard src/pg/sql/*.sql))
	cat $^ > $@

all: build/pg_infer

build/pg_infer: $(COMMAND_OBJS) $(CORE_OBJS)
	@mkdir -p build
	$(CC) $(CFLAGS) -o $@ $^ $(COMMAND_LIBS) $(PG_LIBS)

install: install-command
install-command: build/pg_infer
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) build/pg_infer '$(DESTDIR)$(bindir)/pg_infer'
uninstall: uninstall-command
uninstall-command:
	rm -f '$(DESTDIR)$(bindir)/pg_infer'

# One cmocka program a test file.
UNIT_TESTS = $(patsubst test/unit/%.c,build/unit/%,$(sort $(wildcard test/unit/test_*.c)))
UNIT_LIBS = $(shell $(PKG_CONFIG) --libs cmocka) $(COMMAND_LIBS) $(PG_LIBS)
build/unit/%: test/unit/%.c $(CORE_OBJS) $(filter-out src/import/main.o,$(COMMAND_OBJS))
	@mkdir -p build/unit
	$(CC) $(CPPFLAGS) $(CFLAGS) -Itest/unit -o $@ $^ $(UNIT_LIBS)

unit-tests: $(UNIT_TESTS)
check-unit: unit-tests
	@status=0; for t in $(UNIT_TESTS); do echo "== $$t"; $$t || status=1; done; exit $$status

# Fuzz targets.  make fuzz-replay runs each over its corpus under the sanitizers; make fuzzers builds them with
# libFuzzer: build/fuzzer/fuzz_image test/fuzz/corpus/fuzz_image
SANITIZED = build/sanitized
SANITIZE = -O1 -U_FORTIFY_SOURCE -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_MAIN = $(SANITIZED)/test/fuzz/replay.o
SANITIZED_OBJS = $(addprefix $(SANITIZED)/,$(CORE_OBJS) $(filter-out src/import/main.o,$(COMMAND_OBJS)))
FUZZ_TARGETS = $(patsubst test/fuzz/%.c,$(SANITIZED)/%,$(sort $(wildcard test/fuzz/fuzz_*.c)))

$(SANITIZED)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -Itest/fuzz -c -o $@ $<
$(SANITIZED)/fuzz_%: $(SANITIZED)/test/fuzz/fuzz_%.o $(SANITIZED_OBJS) $(FUZZ_MAIN)
	$(CC) $(CFLAGS) $(SANITIZE) $(FUZZ_FLAGS) -o $@ $^ $(COMMAND_LIBS) $(PG_LIBS)
# Kernels read no foreign bytes, and take minutes to compile under the sanitizers.
$(SANITIZED)/src/math/kernels_%.o: override SANITIZE = -U_FORTIFY_SOURCE
.PRECIOUS: $(SANITIZED)/%.o
-include $(wildcard $(SANITIZED)/src/*/*.d $(SANITIZED)/test/fuzz/*.d)

fuzz-targets: $(FUZZ_TARGETS)
fuzz-replay: fuzz-targets
	@status=0; for t in $(FUZZ_TARGETS); do name=$${t##*/}; \
		if $$t test/fuzz/corpus/$$name/* 2>build/$$name.log; then echo "ok - $$name"; \
		else tail -n 40 build/$$name.log; echo "not ok - $$name"; status=1; fi; done; exit $$status
fuzzers:
	$(MAKE) CC=clang SANITIZED=build/fuzzer FUZZ_MAIN= FUZZ_FLAGS=-fsanitize=fuzzer \
		SANITIZE='$(SANITIZE) -fsanitize=fuzzer-no-link' fuzz-targets

# For test/t/130_hints.pl.
build/test_hints.so: test/hints/test_hints.c
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -shared -o $@ $<

# For test/reference/compare_tokenizers.py.
build/tokenizer_library.so: test/reference/tokenizer_library.c $(CORE_OBJS) $(filter-out src/import/main.o,$(COMMAND_OBJS))
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -shared -o $@ $^ $(COMMAND_LIBS) $(PG_LIBS)

# How fast the kernels are: build/bench-kernels
build/bench-kernels: bench/kernels.c $(filter src/base/% src/math/%,$(CORE_OBJS))
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $^ -lm -ldl -pthread

# How fast texts are tokenized: build/bench-tokenizers FOLDER FAST TEXTS
build/bench-tokenizers: bench/tokenizers.c $(CORE_OBJS) $(filter-out src/import/main.o,$(COMMAND_OBJS))
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $^ $(COMMAND_LIBS) $(PG_LIBS)

# How fast generations are decoded: build/bench-decode IMAGE
build/bench-decode: bench/decode.c $(CORE_OBJS)
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs icu-uc icu-i18n) -lm -ldl -pthread

.PHONY: install-command uninstall-command unit-tests check-unit fuzz-targets fuzz-replay fuzzers
