Code.require_file("wikipedia_titles.ex", __DIR__)
Examples.WikipediaTitles.main(System.argv())
