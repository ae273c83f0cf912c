src/base/team.o: src/base/team.c src/base/team.h src/base/error.h \
  src/base/processors.h

src/base/team.h:

src/base/error.h:

src/base/processors.h:
