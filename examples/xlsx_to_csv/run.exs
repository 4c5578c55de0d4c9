Code.require_file("xlsx_to_csv.ex", __DIR__)
Examples.XlsxToCsv.main(System.argv())
