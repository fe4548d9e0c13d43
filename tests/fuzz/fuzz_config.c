/* SPDX-License-Identifier: Apache-2.0 */
/* The same bytes as a configuration file (YAML) and as an environment file. What is refused is
 * refused with a sentence; what is taken passes the rules or is refused by them. */
#include "fuzz.h"
#include "settings.h"

typedef enum gleaner_status (*reader)(struct settings *settings, const char *path,
                                      struct base_error *error);

static enum gleaner_status read_yaml(struct settings *settings, const char *path,
                                     struct base_error *error)
{
    return settings_read_file(settings, path, error);
}

static enum gleaner_status read_dotenv(struct settings *settings, const char *path,
                                       struct base_error *error)
{
    return settings_read_dotenv(settings, path, true, error);
}

static void read_as(reader read, const uint8_t *data, size_t size)
{
    struct settings settings = {0};
    struct base_error error = {0};
    struct base_buffer shown = {0};
    char path[64];
    int file = fuzz_file(data, size, path);
    if (read(&settings, path, &error) != GLEANER_OK) {
        FUZZ_CHECK(error.message[0] != '\0');
    }
    settings_print(&settings, &shown);
    base_buffer_fini(&shown);
    settings_fini(&settings);
    fuzz_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as(read_yaml, data, size);
    read_as(read_dotenv, data, size);
    return 0;
}
