/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of its own for each test, documents, and files read back. */
#ifndef SINK_RIG_H
#define SINK_RIG_H

#include "sink.h"

extern char rig_directory[];

void rig_open(void);
void rig_close(void);
/** Path in the directory, in a static buffer. */
const char *rig_path(const char *name);
/** Open FILE of the directory; asserts that it works. */
struct sink *rig_sink(enum sink_format format, const char *name, const char *resume,
                      uint64_t max_bytes);
/** Stage document `n` ({url, text}) and commit. */
enum gleaner_status rig_write(struct sink *sink, int n);
enum gleaner_status rig_write_page(struct sink *sink, const char *url, const char *body);
/** The whole file as text; free() it. WARC is unpacked. */
char *rig_read(const char *name);
size_t rig_count(const char *text, const char *what);
void rig_append(const char *name, const char *bytes, size_t len);

#endif
