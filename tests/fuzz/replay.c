/* SPDX-License-Identifier: Apache-2.0 */
/* Without libFuzzer: each file of the folders and each file on the command line once. */
#include "fuzz.h"
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static size_t replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    struct stat about;
    FUZZ_CHECK(file != NULL && fstat(fileno(file), &about) == 0);
    uint8_t *data = malloc((size_t)about.st_size + 1);
    FUZZ_CHECK(data != NULL);
    size_t size = fread(data, 1, (size_t)about.st_size, file);
    (void)fclose(file);
    /* a block of exactly that size: reads past its end are seen */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, data, size);
    free(data);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    replayed++;
}

static void replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    FUZZ_CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            replay_file(path);
        }
    }
    (void)closedir(dir);
}

int main(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        struct stat about;
        FUZZ_CHECK(stat(argv[i], &about) == 0);
        if (S_ISDIR(about.st_mode)) {
            replay_folder(argv[i]);
        } else {
            replay_file(argv[i]);
        }
    }
    (void)printf("%zu inputs\n", replayed);
    return replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
