/* SPDX-License-Identifier: Apache-2.0 */
/* Which videos a page has, and what is stored of them. */
#include "record_host.h"

#include <string.h>

TestSuite(video, .init = record_setup, .fini = record_teardown, .timeout = 30);

#define YOUTUBE "https://www.youtube.com/watch?v=abc_DEF-123"

#define expect_video(html, want)                                                                   \
    do {                                                                                           \
        record_scrape("video", "<title>T</title>" html);                                           \
        cr_expect_str_eq(record_field("videos"), want);                                            \
    } while (0)
#define expect_player(address, url, embed)                                                         \
    expect_video("<iframe src='" address "'></iframe>",                                            \
                 "[{\"url\":\"" url "\",\"embedUrl\":\"" embed "\",\"title\":\"T\"}]")

Test(video, a_submission_gives_one_document_of_the_application_for_each_video)
{
    record_submit("video",
                  "<title>Page</title><meta name=description content=D>"
                  "<video src=v.mp4 title='A video'></video>"
                  "<iframe src='https://www.youtube.com/embed/abc_DEF-123?rel=0'></iframe>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 1);
    cr_assert_eq(record.count, 2);
    cr_expect_str_eq(record.documents[0].collection, "bambivideocontents");
    cr_expect_str_eq(record.documents[0].key, "http://h.test/d/v.mp4");
    cr_expect_str_eq(record_json(0),
                     "{\"type\":\"video\",\"title\":\"A video\",\"url\":\"http://h.test/d/v.mp4\","
                     "\"source\":\"web\",\"metadata\":{\"keywords\":[],\"description\":\"D\","
                     "\"created\":{\"$date\":1700000000123}},"
                     "\"dateAdded\":{\"$date\":1700000000123},\"__v\":0}");
    cr_expect(strstr(record_json(1),
                     "\"title\":\"Page\",\"url\":\"" YOUTUBE "\",\"embedUrl\":"
                     "\"https://www.youtube.com/embed/abc_DEF-123?rel=0\"") != NULL);
}

Test(video, a_page_without_videos_is_a_miss_without_a_document)
{
    record_submit("video", "<iframe src='https://maps.test/embed/1'></iframe><iframe></iframe>"
                           "<audio><source src=a.mp3></audio><video src='blob:x'></video>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_DONE);
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
}

Test(video, sources_of_a_video_share_its_title_and_poster)
{
    expect_video("<video poster=p.jpg aria-label=L><source src=a.mp4><source src=/b.webm></video>"
                 "<audio><source src=c.ogg></audio>",
                 "[{\"url\":\"http://h.test/d/a.mp4\",\"title\":\"L\","
                 "\"poster\":\"http://h.test/d/p.jpg\"},"
                 "{\"url\":\"http://h.test/b.webm\",\"title\":\"L\","
                 "\"poster\":\"http://h.test/d/p.jpg\"}]");
}

Test(video, youtube_is_known_in_all_its_forms)
{
    expect_player("https://www.youtube.com/embed/abc_DEF-123", YOUTUBE,
                  "https://www.youtube.com/embed/abc_DEF-123");
    expect_player("//www.youtube-nocookie.com/embed/abc_DEF-123?rel=0", YOUTUBE,
                  "http://www.youtube-nocookie.com/embed/abc_DEF-123?rel=0");
    expect_player("https://youtu.be/abc_DEF-123?t=5", YOUTUBE,
                  "https://www.youtube.com/embed/abc_DEF-123");
    expect_player("https://m.youtube.com/watch?list=x&v=abc_DEF-123", YOUTUBE,
                  "https://www.youtube.com/embed/abc_DEF-123");
    expect_player("https://www.youtube.com/v/abc_DEF-123&hl=en", YOUTUBE,
                  "https://www.youtube.com/embed/abc_DEF-123");
    expect_player("https://www.youtube.com/embed/videoseries?list=PL1",
                  "https://www.youtube.com/embed/videoseries?list=PL1",
                  "https://www.youtube.com/embed/videoseries?list=PL1");
}

Test(video, other_players_are_known_too)
{
    expect_player("https://player.vimeo.com/video/123?h=1", "https://vimeo.com/123",
                  "https://player.vimeo.com/video/123?h=1");
    expect_player("https://www.dailymotion.com/embed/video/x7",
                  "https://www.dailymotion.com/video/x7",
                  "https://www.dailymotion.com/embed/video/x7");
    expect_player("https://geo.dailymotion.com/player/a.html?video=x7",
                  "https://www.dailymotion.com/video/x7",
                  "https://geo.dailymotion.com/player/a.html?video=x7");
    expect_player("https://player.twitch.tv/?channel=c", "https://player.twitch.tv/?channel=c",
                  "https://player.twitch.tv/?channel=c");
    expect_player("https://tube.test/videos/embed/9f", "https://tube.test/videos/embed/9f",
                  "https://tube.test/videos/embed/9f");
}

Test(video, a_host_that_only_looks_like_a_player_is_none)
{
    expect_video("<iframe src='https://notyoutube.com/embed/x'></iframe>"
                 "<iframe src='https://youtube.com.evil.test/embed/x'></iframe>"
                 "<iframe src='https://www.youtube.com/embed/'></iframe>"
                 "<iframe src='https://www.youtube.com/account'></iframe>",
                 "[]");
}

Test(video, the_same_video_twice_is_one_with_the_words_of_both)
{
    expect_video("<meta property=og:video content='https://www.youtube.com/v/abc_DEF-123'>"
                 "<iframe data-src='https://www.youtube-nocookie.com/embed/abc_DEF-123' "
                 "title='The film'></iframe>",
                 "[{\"url\":\"" YOUTUBE "\",\"embedUrl\":"
                 "\"https://www.youtube.com/embed/abc_DEF-123\",\"title\":\"The film\"}]");
}

Test(video, opengraph_and_linked_data_name_videos)
{
    expect_video("<meta property='og:video:secure_url' content='https://c.test/o.mp4'>"
                 "<script type='application/ld+json'>{\"@type\":\"VideoObject\",\"name\":\"N\","
                 "\"contentUrl\":\"/l.mp4\",\"thumbnailUrl\":[\"t.jpg\"]}</script>",
                 "[{\"url\":\"https://c.test/o.mp4\",\"title\":\"T\"},"
                 "{\"url\":\"http://h.test/l.mp4\",\"title\":\"N\","
                 "\"poster\":\"http://h.test/d/t.jpg\"}]");
}

Test(video, markup_inside_a_frame_is_text_and_noscript_is_read)
{
    expect_video("<iframe src=x><video src=no.mp4></video></iframe>"
                 "<noscript><video src=yes.mp4></video></noscript>",
                 "[{\"url\":\"http://h.test/d/yes.mp4\",\"title\":\"T\"}]");
}

Test(video, a_refused_document_fails_the_page_with_a_reason)
{
    record.refuse = true;
    record_submit("video", "<video src=a.mp4>");
    cr_expect_eq(record.verdict, GLEANER_PAGE_FAILED);
    cr_expect_str_eq(record.last_log, "the document was refused");
}

Test(video, a_page_about_something_else_is_a_miss)
{
    record_set("relevance", "bambi sleep");
    record_submit("video", "<p>other things</p><video src=a.mp4></video>");
    cr_expect_eq(record.content_found, 0);
    cr_expect_eq(record.count, 0);
    record_submit("video", "<h1>Bambi sleep</h1><video src=a.mp4></video>");
    cr_expect_eq(record.content_found, 1);
    cr_expect_eq(record.count, 1);
}
