/*
 * openblas.c: fp32 products by OpenBLAS, for processors that have no kernels of their own here.
 *
 * The library is loaded when it is asked for and stays: it starts threads as it is loaded, so
 * nothing that the postmaster preloads may be linked to it.  Load it while the process has one
 * thread, for setenv() is called. A product is cut into calls that always have the same shape, 16
 * rows by one panel by up to 512 of k, so an output does not depend on the batch; but its bits are
 * OpenBLAS's own, and differ between processors.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "math/tables.h"

#define BLAS_ROWS 16
#define BLAS_DEPTH 512
#define BLAS_LIBRARY "libopenblas.so.0"

enum
{
	CBLAS_ROW_MAJOR = 101,
	CBLAS_NO_TRANS = 111
};

typedef void (*SgemmFunction)(int order, int transpose_a, int transpose_b, int m, int n, int k,
							  float alpha, const float *a, int lda, const float *b, int ldb,
							  float beta, float *c, int ldc);

/* Written once under the lock, read-only after that. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static SgemmFunction   sgemm;
static const Kernels  *own;
static Kernels		   table;

/* rows rows of a times one panel, to c (BLAS_ROWS, PANEL). */
static void
multiply(const float *panel, int k, const float *a, long lda, int rows, float *c)
{
	float padded[BLAS_ROWS * BLAS_DEPTH];

	for (int at = 0; at < k; at += BLAS_DEPTH)
	{
		int depth = k - at < BLAS_DEPTH ? k - at : BLAS_DEPTH;

		memset(padded, 0, sizeof(padded));
		for (int i = 0; i < rows; i++)
			memcpy(padded + i * BLAS_DEPTH, a + i * lda + at, depth * sizeof(*a));
		sgemm(CBLAS_ROW_MAJOR, CBLAS_NO_TRANS, CBLAS_NO_TRANS, BLAS_ROWS, PANEL, depth, 1.0f,
			  padded, BLAS_DEPTH, panel + (long) at * PANEL, PANEL, at ? 1.0f : 0.0f, c, PANEL);
	}
}

static void
blas_gemm(const Matrix *w, int p0, int p1, const Rows *a, int m, float *c, long ldc,
		  Activation activation, const float *residual, long ldr)
{
	if (w->precision != PRECISION_FP32)
	{
		own->gemm(w, p0, p1, a, m, c, ldc, activation, residual, ldr);
		return;
	}
	for (int p = p0; p < p1; p++)
	{
		const float *panel = (const float *) w->panels + (long) p * w->k * PANEL;
		int			 column = p * PANEL;
		int			 columns = w->n - column < PANEL ? w->n - column : PANEL;

		for (int at = 0; at < m; at += BLAS_ROWS)
		{
			int	  rows = m - at < BLAS_ROWS ? m - at : BLAS_ROWS;
			float tile[BLAS_ROWS * PANEL];

			multiply(panel, w->k, a->x + at * a->ld, a->ld, rows, tile);
			for (int i = 0; i < rows; i++)
			{
				float *y = tile + i * PANEL;

				if (w->bias)
					own->add(y, w->bias + column, y, columns);
				own->activate(activation, y, columns);
				if (residual)
					own->add(y, residual + (at + i) * ldr + column, y, columns);
				memcpy(c + (at + i) * ldc + column, y, columns * sizeof(*y));
			}
		}
	}
}

static bool
load(const Kernels *base, Error *error)
{
	void *library;

	setenv("OPENBLAS_NUM_THREADS", "1", 1);
	/* Its detection takes newer processors for much older ones. */
	if (strcmp(base->name, "avx512") == 0)
		setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
	else if (strcmp(base->name, "avx2") == 0)
		setenv("OPENBLAS_CORETYPE", "Haswell", 0);
	library = dlopen(BLAS_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
	{
		error_set(error, ERR_NOT_FOUND, "could not load \"%s\"", BLAS_LIBRARY);
		error_detail(error, "%s.", dlerror());
		return error_hint(error, "Install OpenBLAS, or choose another instruction set.");
	}
	sgemm = (SgemmFunction) dlsym(library, "cblas_sgemm");
	if (sgemm == NULL)
		return error_set(error, ERR_NOT_FOUND, "\"%s\" has no function \"%s\"", BLAS_LIBRARY,
						 "cblas_sgemm");
	own = base;
	table = *base;
	table.name = "openblas";
	table.gemm = blas_gemm;
	return true;
}

const Kernels *
openblas_kernels(const Kernels *base, Error *error)
{
	bool loaded;

	pthread_mutex_lock(&lock);
	loaded = own != NULL || load(base, error);
	pthread_mutex_unlock(&lock);
	return loaded ? &table : NULL;
}
