/* SPDX-License-Identifier: Apache-2.0 */
/* gleaner --version: our version and those of the libraries in use. */
#include "mongo.h"
#include "process_internal.h"
#include <curl/curl.h>
#include <cyaml/cyaml.h>
#include <lexbor/core/base.h>
#include <microhttpd.h>
#include <sqlite3.h>
#include <stdio.h>

void print_versions(void)
{
    (void)printf("gleaner %s, module ABI %d\n", GLEANER_VERSION, GLEANER_MODULE_ABI);
    (void)printf("libmongoc    %s\n", mongo_version());
    (void)printf("libcurl      %s\n", curl_version());
    (void)printf("sqlite       %s\n", sqlite3_libversion());
    (void)printf("lexbor       %s\n", LEXBOR_VERSION_STRING);
    (void)printf("libmicrohttpd %s\n", MHD_get_version());
    (void)printf("libcyaml     %s\n", cyaml_version_str);
}
