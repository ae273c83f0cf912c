/*
 * service.h: which functions a model serves, by its head, and the labels of its classes.
 */
#ifndef PG_SERVICE_H
#define PG_SERVICE_H

#include "pg/pg_infer.h"

/* ERROR unless the model has a tokenizer and weights with a head that infer.<function> can use; it names
 * the model's class and the functions that it serves. */
extern void require_service(ModelHandle *handle, const char *function);

/* The functions that a model serves, as "infer.tag, infer.embed, ..."; palloc'd. */
extern char *services_of(const Model *model);

/* The name of a class, in UTF-8: "LABEL_<i>" where the model gives none. */
extern const char *service_label(const ModelHandle *handle, int i);

/* All of them; palloc'd. */
extern const char *const *service_labels(ModelHandle *handle, int *n);

#endif
