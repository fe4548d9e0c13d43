/* SPDX-License-Identifier: Apache-2.0 */
#include "robots_cases.h"
#include "fetch.h"
#include <bson/bson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        return NULL;
    }
    *len = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*len + 1);
    if (text != NULL && fread(text, 1, *len, file) != *len) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static const char *text_of(const bson_t *doc, const char *key, uint32_t *len)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, doc, key) && BSON_ITER_HOLDS_UTF8(&iter)
               ? bson_iter_utf8(&iter, len)
               : NULL;
}

static bool decide(const bson_t *doc)
{
    uint32_t len = 0, ignored;
    struct fetch_robots *robots;
    struct fetch_robots_answer answer;
    unsigned char *bytes = NULL;
    const char *coded = text_of(doc, "robots_b64", &len);
    const char *text = text_of(doc, "robots", &len);
    if (coded != NULL) {
        bytes = malloc(strlen(coded) + 4);
        int n = EVP_DecodeBlock(bytes, (const unsigned char *)coded, (int)strlen(coded));
        for (size_t i = strlen(coded); n > 0 && i > 0 && coded[i - 1] == '='; i--) {
            n--;
        }
        text = (const char *)bytes;
        len = n > 0 ? (uint32_t)n : 0;
    }
    if (fetch_robots_parse(text, len, &robots) != GLEANER_OK) {
        abort();
    }
    fetch_robots_match(robots, text_of(doc, "agent", &ignored), text_of(doc, "url", &ignored),
                       &answer);
    fetch_robots_free(&robots);
    free(bytes);
    return answer.allowed;
}

static void run_case(const bson_t *doc, FILE *failures, struct robots_score *score)
{
    bson_iter_t iter;
    uint32_t len;
    bool expected = bson_iter_init_find(&iter, doc, "allowed") && bson_iter_bool(&iter);
    const char *note = text_of(doc, "note", &len);
    bool rfc = note != NULL && strcmp(note, "rfc9309") == 0;
    bool passed = decide(doc) == expected;
    score->cases++;
    score->passed += passed;
    score->rfc_cases += rfc;
    score->rfc_passed += rfc && passed;
    if (!passed && failures != NULL) {
        fprintf(failures, "%s (%s): expected %s\n", text_of(doc, "id", &len), note,
                expected ? "allowed" : "forbidden");
    }
}

bool robots_cases_run(const char *path, FILE *failures, struct robots_score *out)
{
    size_t len = 0;
    bson_error_t error;
    bson_iter_t iter;
    char *text = read_file(path, &len);
    *out = (struct robots_score){0};
    bson_t *table =
        text != NULL ? bson_new_from_json((const uint8_t *)text, (ssize_t)len, &error) : NULL;
    free(text);
    if (table == NULL || !bson_iter_init(&iter, table)) {
        return false;
    }
    while (bson_iter_next(&iter)) {
        uint32_t size;
        const uint8_t *data;
        bson_t doc;
        bson_iter_document(&iter, &size, &data);
        if (bson_init_static(&doc, data, size)) {
            run_case(&doc, failures, out);
        }
    }
    bson_destroy(table);
    return out->cases > 0;
}
