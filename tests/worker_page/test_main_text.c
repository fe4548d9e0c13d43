/* SPDX-License-Identifier: Apache-2.0 */
/* Main text: navigation, header, footer, aside, comments and advertisements are left out. */
#include "record_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(main_text, .init = record_setup, .fini = record_teardown, .timeout = 30);

#define P1 "The river rose by three metres on Monday, flooding the lower town, officials said."
#define P2 "Rescue workers were busy through the night, carrying people out of their houses."
#define P3 "By Tuesday the water had gone down again, and people came back to clean their homes."
#define READER "I live there and must say that all of this was foreseen by everybody, for years."
#define NAV "<nav><a href=/>Home</a> <a href=/n>News</a></nav>"

#define expect_main(html, want)                                                                    \
    do {                                                                                           \
        record_scrape("text", html);                                                               \
        cr_expect_str_eq(record_field("main_text"), "\"" want "\"");                               \
    } while (0)

Test(main_text, it_is_the_text_of_main_without_what_stands_around)
{
    expect_main(NAV "<header>Site</header><main><p>" P1 "<p>" P2 "</main><aside>" READER
                    "</aside><footer>Copyright</footer>",
                P1 "\\n" P2);
}

Test(main_text, an_article_wins_over_other_articles_that_are_teasers)
{
    expect_main("<article><p>" P1 "<p>" P2 "<p>" P3 "</article><article><a href=1>Teaser one</a>"
                "</article><article><a href=2>Teaser two</a></article>",
                P1 "\\n" P2 "\\n" P3);
}

Test(main_text, without_any_element_or_name_the_weight_of_prose_decides)
{
    expect_main("<div><div><a href=1>One</a> <a href=2>Two</a></div><div><div><p>" P1 "</p><p>" P2
                "</p><p>" P3 "</p></div></div><div>Imprint</div></div>",
                P1 "\\n" P2 "\\n" P3);
    expect_main("<table><tr><td><a href=1>One</a><td>" P1 "<br>" P2 "</table>", P1 "\\n" P2);
}

Test(main_text, headings_lists_quotes_and_code_inside_stay)
{
    expect_main("<article><p>" P1 "</p><h2>Part</h2><ul><li>" P2 "</li><li>short item</li></ul>"
                "<blockquote>" P3 "</blockquote><pre>a = 1\nb</pre></article>",
                P1 "\\nPart\\n" P2 "\\nshort item\\n" P3 "\\na = 1\\nb");
}

Test(main_text, comments_shares_related_links_and_slogans_are_left_out)
{
    expect_main("<div class=post-content><div class=social-share>Share it with your friends</div>"
                "<p>" P1 "</p><p>Advertisement</p><div class='related'><p>" READER
                "</p></div><p>" P2
                "</p><h3>More of it</h3><ul><li><a href=1>A story</a><li><a href=2>Another</a></ul>"
                "</div><div id=comments><p>" READER "<p>" READER "<p>" READER "</div>",
                P1 "\\n" P2);
}

Test(main_text, names_are_words_and_a_noisy_name_does_not_lose_the_article)
{
    expect_main("<div class='shareholder-navigator'><p>" P1 "</p></div>", P1);
    expect_main("<div class='page sidebar-right'><p>" P1 "</p><p>" P2 "</p></div>", P1 "\\n" P2);
    expect_main("<div class=elementor><div class='elementor-widget elementor-widget-text'><p>" P1
                "</p></div><div class='elementor-widget elementor-widget-text'><p>" P2
                "</p></div><div class='elementor-widget'><p>" P3 "</p></div></div>",
                P1 "\\n" P2 "\\n" P3);
}

Test(main_text, a_body_cut_into_parts_of_one_name_is_whole)
{
    expect_main("<div><div class=article-body><p>" P1 "</p></div><div class=ad>Buy</div>"
                "<div class=article-body><p>" P2 "</p></div><div class=article-body><p>" P3
                "</p></div></div>",
                P1 "\\n" P2 "\\n" P3);
}

#define CARD "<div><a href=x><h3>Another story</h3></a><p>" READER "</p></div>"

Test(main_text, the_lead_between_the_heading_and_the_body_belongs_to_it)
{
    expect_main("<article><header><h1>The flood</h1><p class=lead>" P1 "</p><p>By A. Writer</p>"
                "</header><div class=article-body><p>" P2 "</p><p>" P3 "</p></div></article>",
                P1 "\\n" P2 "\\n" P3);
    /* Of another page: a link; or what stands before this page's heading. */
    expect_main("<div><div class=intro><a href=1>" READER "</a></div><h1>The flood</h1>"
                "<div class=article-body><p>" P2 "</p><p>" P3 "</p></div></div>",
                P2 "\\n" P3);
    expect_main("<div class=intro><p>" READER "</p></div><h1>The flood</h1>"
                "<div class=article-body><p>" P2 "</p><p>" P3 "</p></div>",
                P2 "\\n" P3);
}

Test(main_text, what_stands_under_pictures_is_left_out)
{
    expect_main("<article><p>" P1 "</p><figure><img src=a.png><figcaption>" READER
                "</figcaption></figure><p>" P2 "</p><div class=image-caption>Photo of the town"
                "</div><p>" P3 "</p></article>",
                P1 "\\n" P2 "\\n" P3);
}

Test(main_text, other_languages_have_their_names_for_noise)
{
    expect_main(
        "<div class=post-content><p>" P1 "</p><p>Das könnte Sie auch interessieren</p><p>" P2
        "</p><p>También te puede interesar: otra cosa</p></div><div id=kommentare><p>" READER
        "<p>" READER "<p>" READER "</div>",
        P1 "\\n" P2);
}

Test(main_text, summaries_of_other_pages_are_left_out_with_their_heading)
{
    expect_main("<div><div><p>" P1 "</p><p>" P2 "</p><p>" P3 "</p><p>" P1 P2 "</p><p>" P2 P3
                "</p></div><div><h2>More</h2>" CARD CARD CARD "</div></div>",
                P1 "\\n" P2 "\\n" P3 "\\n" P1 P2 "\\n" P2 P3);
}

Test(main_text, comments_may_be_longer_than_the_article)
{
    expect_main(
        "<title>The title of it</title><div class='post author-ann'><h1>The title of it</h1><p>" P1
        "</p><p>" P2 "</p></div><ol class=comment-list><li>" READER READER READER
        "<li>" READER READER "<li>" READER READER READER "</ol>",
        P1 "\\n" P2);
}

Test(main_text, the_title_is_not_repeated)
{
    expect_main("<title>The flood of the year - Daily</title><article><h1>The flood of the year"
                "</h1><p>" P1 "<p>" P2 "</article>",
                P1 "\\n" P2);
}

Test(main_text, hidden_parts_and_forms_are_left_out)
{
    expect_main("<article><p>" P1 "<p hidden>" READER "<p style='display: none'>" READER
                "<form><label>Your mail</label><input><p>We never sell it</form><p>" P2
                "</article>",
                P1 "\\n" P2);
}

Test(main_text, a_page_drawn_by_scripts_gives_the_body_in_its_linked_data)
{
    expect_main("<script type='application/ld+json'>{\"@type\":\"Article\",\"articleBody\":\"" P1
                " " P2 "\"}</script><div id=app>Loading</div>",
                P1 " " P2);
}

Test(main_text, a_page_of_a_few_words_leaves_its_surroundings_out_all_the_same)
{
    expect_main(NAV "<p>Some text.</p><footer>Copyright</footer>", "Some text.");
    expect_main(NAV "<main><h1>Hello</h1><p>One.</p><ul><li>two</li></ul></main><footer>Imprint"
                    "</footer>",
                "Hello\\nOne.\\ntwo");
    expect_main("<title>About us all</title>" NAV "<h1>About us all</h1><p>Nobody here.</p>",
                "About us all\\nNobody here.");
    expect_main("<div>We use cookies.</div><main><div>Short.</div></main><div>Imprint</div>",
                "Short.");
    expect_main(NAV "<article><p>By Ann</p><p>2020-02-02</p></article><p>Imprint</p>",
                "By Ann\\n2020-02-02");
    expect_main(NAV "<article><p>a</p></article><article><p>b</p></article>", "a\\nb");
    expect_main(NAV "<p>a</p>b<p>c</p>", "a\\nb\\nc");
    expect_main(NAV "<main><p>Short.</p><h2>Related</h2><ul><li><a href=1>A story</a></ul></main>",
                "Short.");
}

Test(main_text, a_page_without_prose_gives_its_whole_text)
{
    expect_main("<p>x", "x");
    expect_main("<ul><li><a href=1>One</a><li><a href=2>Two</a></ul>", "One\\nTwo");
}

Test(main_text, pages_nested_without_end_give_their_text)
{
    size_t size = 5 * 60000 + 200;
    char *html = malloc(size);
    for (size_t i = 0; i < 60000; i++) {
        memcpy(html + i * 5, "<div>", 5);
    }
    snprintf(html + 5 * 60000, 200, "%s", P1);
    expect_main(html, P1);
    free(html);
}
