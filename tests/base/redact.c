/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

struct redact_case {
    char input[200];
    char expected[200];
};

ParameterizedTestParameters(redact, shows_everything_but_the_password)
{
    static struct redact_case cases[] = {
        /* nothing to hide */
        {"", ""},
        {"plain text, a@b.c and 12:30", "plain text, a@b.c and 12:30"},
        {"mongodb://localhost", "mongodb://localhost"},
        {"mongodb://h1:27017,h2:27018/db?replicaSet=rs",
         "mongodb://h1:27017,h2:27018/db?replicaSet=rs"},
        {"mongodb://[::1]:27017/db", "mongodb://[::1]:27017/db"},
        {"mongodb://user@host/db", "mongodb://user@host/db"},
        {"mongodb://h/?appName=a@b", "mongodb://h/?appName=a@b"},
        {"mongodb://%2Ftmp%2Fmongodb-27017.sock", "mongodb://%2Ftmp%2Fmongodb-27017.sock"},
        {"https://medium.com/@someone/post:1", "https://medium.com/@someone/post:1"},
        {"https://h:8080/a?next=http://x/y@z", "https://h:8080/a?next=http://x/y@z"},
        {"a monkey=3 tokens=4", "a monkey=3 tokens=4"},

        /* ordinary */
        {"mongodb://user:secret@host:27017/db", "mongodb://user:***@host:27017/db"},
        {"mongodb+srv://user:secret@cluster.example.net/db",
         "mongodb+srv://user:***@cluster.example.net/db"},
        {"MongoDB://user:secret@host", "MongoDB://user:***@host"},
        {"mongodb://:secret@host", "mongodb://:***@host"},
        {"mongodb://user:@host", "mongodb://user:***@host"},
        {"mongodb://u:p%40%3A%2F%3F@h1,h2:2/?a=b", "mongodb://u:***@h1,h2:2/?a=b"},
        {"http://proxy:secret@10.0.0.1:3128/", "http://proxy:***@10.0.0.1:3128/"},
        {"socks5h://u:secret@h", "socks5h://u:***@h"},

        /* malformed: the driver refuses these, so these are what gets quoted */
        {"mongodb://u:se@cret@host/db", "mongodb://u:***@host/db"},
        {"mongodb://u:se/cret@host/db", "mongodb://u:***@host/db"},
        {"mongodb://u:se@c/ret@host/db", "mongodb://u:***@host/db"},
        {"mongodb://u:se?cret@host/db?x=y@z", "mongodb://u:***@host/db?x=y@z"},
        {"mongodb://u:se:cret@host", "mongodb://u:***@host"},
        {"mongodb://u:se cret@host/db", "mongodb://u:***@host/db"},
        {"mongodb://u:se\"cret@host/db", "mongodb://u:***@host/db"},
        {"mongodb://u:secret", "mongodb://u:***"},
        {"mongodb://u:12secret", "mongodb://u:***"},
        {"mongodb://u:s\xC3\xA9"
         "cret@host",
         "mongodb://u:***@host"},

        /* inside a text */
        {"connect to \"mongodb://u:secret@h/db\" failed",
         "connect to \"mongodb://u:***@h/db\" failed"},
        {"from mongodb://a:one@h1 to mongodb://b:two@h2",
         "from mongodb://a:***@h1 to mongodb://b:***@h2"},
        {"uri=mongodb://h:27017 mail=x@y", "uri=mongodb://h:27017 mail=x@y"},
        {"{\"uri\":\"mongodb://h:27017\",\"mail\":\"x@y\"}",
         "{\"uri\":\"mongodb://h:27017\",\"mail\":\"x@y\"}"},

        /* options */
        {"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:abc/x%3D,B:c&w=1",
         "mongodb://h/?authMechanismProperties=***&w=1"},
        {"mongodb://h/?AUTHMECHANISMPROPERTIES=A:b", "mongodb://h/?AUTHMECHANISMPROPERTIES=***"},
        {"mongodb://h/?tls=true&tlsCertificateKeyFilePassword=abc",
         "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=***"},
        {"mongodb://h/?sslClientCertificateKeyPassword=abc&x=1",
         "mongodb://h/?sslClientCertificateKeyPassword=***&x=1"},
        {"mongodb://h/?proxyHost=p&proxyPassword=abc&x=1",
         "mongodb://h/?proxyHost=p&proxyPassword=***&x=1"},
        {"mongodb://u:pw@h/?proxyPassword=a@b&x=1", "mongodb://u:***@h/?proxyPassword=***&x=1"},
        {"tlsCertificateKeyFilePassword=abc is wrong",
         "tlsCertificateKeyFilePassword=*** is wrong"},
        {"password=\"two words\" user=u", "password=*** user=u"},
        {"https://api.example/?access_token=abc#top", "https://api.example/?access_token=***"},
    };
    return cr_make_param_array(struct redact_case, cases, BASE_ARRAY_LEN(cases));
}

ParameterizedTest(struct redact_case *c, redact, shows_everything_but_the_password)
{
    char out[256];
    base_redact_uri(c->input, out, sizeof(out));
    cr_expect_str_eq(out, c->expected, "%s\n  gave %s\n  not  %s", c->input, out, c->expected);
}

Test(redact, is_stable_when_run_twice)
{
    char once[200];
    char twice[200];
    base_redact_uri("mongodb://u:se@cret@h/?proxyPassword=x&w=1", once, sizeof(once));
    base_redact_uri(once, twice, sizeof(twice));
    cr_assert_str_eq(once, twice);
}

Test(redact, no_limit_of_the_output_lets_a_password_through)
{
    const char *uri =
        "x \xC3\xA9 mongodb+srv://us\xC3\xA9r:topsecret@h\xC3\xB6st/?proxyPassword=hidden&a=b";
    char whole[200];
    base_redact_uri(uri, whole, sizeof(whole));
    for (size_t size = 1; size <= strlen(whole) + 2; size++) {
        char out[200];
        memset(out, 'Z', sizeof(out));
        base_redact_uri(uri, out, size);
        cr_assert_lt(strlen(out), size);
        cr_assert_eq(strncmp(out, whole, strlen(out)), 0, "size %zu gave %s", size, out);
        cr_assert(base_utf8_valid(out, strlen(out)), "size %zu cut a character", size);
    }
}

Test(redact, null_is_an_empty_text)
{
    char out[4] = "abc";
    base_redact_uri(NULL, out, sizeof(out));
    cr_assert_str_eq(out, "");
}

/* Whatever bytes a password is made of, percent-encoded or raw without white space and quotes, its
 * text is not in the output. */
Test(redact, random_passwords_do_not_come_through)
{
    static const char alphabet[] = "abcXYZ019:@/?#[]&,;%$!*()+.-_~|{}^\\";
    struct base_random random;
    base_random_init(&random, 42);
    for (int round = 0; round < 20000; round++) {
        char password[24] = "Q9"; /* a marker, so that every password is recognisable */
        size_t len = 2 + base_random_below(&random, 16);
        for (size_t i = 2; i < len; i++) {
            password[i] = alphabet[base_random_below(&random, sizeof(alphabet) - 1)];
        }
        strcpy(password + len, "W7");
        char uri[128];
        char out[256];
        snprintf(uri, sizeof(uri), "mongodb://user:%s@host.example:27017/db?w=1", password);
        base_redact_uri(uri, out, sizeof(out));
        cr_assert_null(strstr(out, "Q9"), "%s gave %s", uri, out);
        cr_assert_null(strstr(out, "W7"), "%s gave %s", uri, out);
    }
}
