src/image/image_writer.o: src/image/image_writer.c src/image/image.h \
  src/base/file.h src/base/arena.h src/base/error.h src/image/params.h \
  src/math/kernels.h src/image/layout.h src/math/pack.h

src/image/image.h:

src/base/file.h:

src/base/arena.h:

src/base/error.h:

src/image/params.h:

src/math/kernels.h:

src/image/layout.h:

src/math/pack.h:
