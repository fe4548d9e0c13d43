/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as shapes: what is kept, and that no value is. */
#include "mongo_shape.h"
#include <bson/bson.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <string.h>

struct shape_case {
    char name[20];
    char json[320];
    char shape[160];
};

ParameterizedTestParameters(shape, keeps_names_and_operators_and_no_value)
{
    static struct shape_case cases[] = {
        {"find",
         "{'find':'jobs','filter':{'status':'SECRET','due':{'$lte':7},'at':{'x':'SECRET'}},"
         "'sort':{'due':1,'n':-1},'skip':5,'limit':1,'lsid':{'id':'SECRET'},'$db':'app'}",
         "find app.jobs {status,due:{$lte},at} sort:{due:1,n:-1} skip"},
        {"find", "{'find':'jobs','filter':{'_id':{'$in':['SECRET','SECRET']},'a':[1,'SECRET']}}",
         "find app.jobs {_id:{$in},a}"},
        {"find",
         "{'find':'jobs','filter':{'$or':[{'a':'SECRET'},{'b':{'$gt':1}}],'$where':'SECRET'}}",
         "find app.jobs {$or:[{a}{b:{$gt}}],$where}"},
        {"find", "{'find':'jobs','filter':{'list':{'$elemMatch':{'x':'SECRET','y':1}}}}",
         "find app.jobs {list:{$elemMatch:{x,y}}}"},
        {"find", "{'find':'jobs','filter':{},'skip':0}", "find app.jobs {}"},
        {"aggregate",
         "{'aggregate':'jobs','pipeline':[{'$match':{'a':'SECRET'}},{'$sort':{'b':-1}},"
         "{'$group':{'_id':'$SECRET'}}],'cursor':{}}",
         "aggregate app.jobs [$match{a},$sort sort:{b:-1},$group]"},
        {"update",
         "{'update':'jobs','updates':[{'q':{'a':'SECRET'},'u':{'$set':{'b':'SECRET'},'$inc':{'n':"
         "1}},'multi':true},{'q':{'other':1},'u':{}}]}",
         "update app.jobs {a} $set,$inc multi"},
        {"update", "{'update':'jobs','updates':[{'q':{'a':1},'u':{'text':'SECRET'}}]}",
         "update app.jobs {a} replace"},
        {"delete", "{'delete':'jobs','deletes':[{'q':{'a':'SECRET'},'limit':1}]}",
         "delete app.jobs {a}"},
        {"findAndModify",
         "{'findAndModify':'jobs','query':{'a':'SECRET'},'sort':{'b':1},'update':{'$set':{'c':"
         "'SECRET'}}}",
         "findAndModify app.jobs {a} sort:{b:1} $set"},
        {"insert", "{'insert':'pages','documents':[{'text':'SECRET'}]}", "insert app.pages"},
        {"getMore", "{'getMore':{'$numberLong':'77'},'collection':'jobs'}", "getMore app.jobs"},
        {"count", "{'count':'jobs','query':{'a':'SECRET'}}", "count app.jobs {a}"},
        {"distinct", "{'distinct':'jobs','key':'host','query':{'a':'SECRET'}}",
         "distinct app.jobs host {a}"},
        {"dbStats", "{'dbStats':1}", "dbStats app"},
    };
    return cr_make_param_array(struct shape_case, cases, BASE_ARRAY_LEN(cases));
}

static bson_t *parse(const char *json)
{
    char text[400];
    snprintf(text, sizeof(text), "%s", json);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    bson_error_t error;
    bson_t *parsed = bson_new_from_json((const uint8_t *)text, -1, &error);
    cr_assert_not_null(parsed, "%s: %s", text, error.message);
    return parsed;
}

ParameterizedTest(struct shape_case *c, shape, keeps_names_and_operators_and_no_value)
{
    struct shape_text text;
    bson_t *command = parse(c->json);
    cr_assert(shape_write("app", c->name, command, &text));
    cr_expect_str_eq(text.text, c->shape);
    cr_expect_null(strstr(text.text, "SECRET"));
    bson_destroy(command);
}

Test(shape, our_own_commands_are_none)
{
    struct shape_text text;
    bson_t *command = parse("{'ping':1}");
    cr_expect_not(shape_write("admin", "ping", command, &text));
    cr_expect_not(shape_write("admin", "serverStatus", command, &text));
    bson_destroy(command);
}

Test(shape, a_filter_without_end_is_cut)
{
    bson_t command = BSON_INITIALIZER, filter;
    BSON_APPEND_UTF8(&command, "find", "jobs");
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "field_number_%d", i);
        BSON_APPEND_INT32(&filter, name, i);
    }
    bson_append_document_end(&command, &filter);
    struct shape_text text;
    cr_assert(shape_write("app", "find", &command, &text));
    cr_expect_eq(text.len, sizeof(text.text) - 1);
    cr_expect_eq(strlen(text.text), text.len);
    bson_destroy(&command);
}

/* ---- the table ---- */

static void run(struct mongo_watch *watch, const char *collection, int64_t us)
{
    static _Thread_local int64_t request;
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&command, "find", collection);
    mongo_watch_begin(watch, "app", "find", &command, ++request);
    mongo_watch_end(watch, request, us, us % 2 == 0 ? MONGO_SUCCEEDED : MONGO_FAILED);
    bson_destroy(&command);
}

static const struct mongo_shape *look_up(struct mongo_watch *watch, const char *where)
{
    static struct mongo_shape shape;
    for (uint32_t id = 0; id <= MONGO_SHAPES; id++) {
        if (mongo_watch_read(watch, id, &shape) && strcmp(shape.where, where) == 0) {
            return &shape;
        }
    }
    return NULL;
}

Test(watch, counts_times_and_failures_of_a_shape)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    for (int i = 0; i < 100; i++) {
        run(watch, "jobs", i < 90 ? 1000 : 200001);
    }
    const struct mongo_shape *shape = look_up(watch, "app.jobs");
    cr_assert_not_null(shape);
    cr_expect_str_eq(shape->command, "find");
    cr_expect_eq(shape->count, 100);
    cr_expect_eq(shape->failed, 10);
    cr_expect_eq(shape->slow, 10);
    cr_expect_eq(shape->max_us, 200001);
    cr_expect(shape->p50_us >= 1000 && shape->p50_us <= 1125, "%llu",
              (unsigned long long)shape->p50_us);
    cr_expect(shape->p95_us >= 180000 && shape->p95_us <= 200001, "%llu",
              (unsigned long long)shape->p95_us);
    mongo_watch_destroy(&watch);
}

Test(watch, forgets_times_after_two_windows_but_not_the_count)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    run(watch, "jobs", 500000);
    mongo_watch_turn(watch);
    cr_expect_eq(look_up(watch, "app.jobs")->slow, 1, "the last window counts");
    mongo_watch_turn(watch);
    cr_expect_eq(look_up(watch, "app.jobs")->slow, 0);
    cr_expect_eq(look_up(watch, "app.jobs")->max_us, 0);
    cr_expect_eq(look_up(watch, "app.jobs")->count, 1);
    mongo_watch_destroy(&watch);
}

Test(watch, more_shapes_than_it_holds_are_counted_together)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "c%d", i);
        run(watch, name, 10);
    }
    cr_expect_eq(mongo_watch_count(watch), 1000);
    const struct mongo_shape *rest = look_up(watch, "everything else");
    cr_assert_not_null(rest);
    cr_expect_geq(rest->count, 1000 - MONGO_SHAPES);
    mongo_watch_destroy(&watch);
}

enum { RUNNERS = 4, RUNS = 20000 };

static void *run_many(void *arg)
{
    for (int i = 0; i < RUNS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%d", i % 50);
        run(arg, name, i % 100 == 0 ? 150000 : 10);
    }
    return NULL;
}

Test(watch, loses_no_command_when_several_threads_meet_new_shapes_at_once)
{
    struct mongo_watch *watch;
    cr_assert_eq(mongo_watch_create(100, &watch), GLEANER_OK);
    pthread_t threads[RUNNERS];
    for (int i = 0; i < RUNNERS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, run_many, watch), 0);
    }
    for (int i = 0; i < RUNNERS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(mongo_watch_count(watch), (uint64_t)RUNNERS * RUNS);
    cr_expect_eq(mongo_watch_slow_count(watch), (uint64_t)RUNNERS * RUNS / 100);
    uint32_t samples = 0;
    for (uint32_t id = 0; id < MONGO_SHAPES; id++) {
        struct mongo_sample *sample;
        samples += mongo_watch_take_sample(watch, id, &sample) == MONGO_SAMPLE_READY ? 1 : 0;
        mongo_sample_destroy(&sample);
        cr_expect_neq(mongo_watch_take_sample(watch, id, &sample), MONGO_SAMPLE_READY, "once");
    }
    cr_expect_eq(samples, 1, "of the one shape that is slow: c0");
    mongo_watch_destroy(&watch);
}
