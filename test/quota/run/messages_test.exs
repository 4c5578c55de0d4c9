defmodule Quota.MessagesTest do
  # What the person on call reads: the whole text of every error.
  use ExUnit.Case, async: true

  alias BoundedXml.{ParseError, ParserError}
  alias Quota.{ExceededError, PoolFullError, TimeoutError, Usage}

  @mib 1024 * 1024
  @usage %Usage{heap: 3 * @mib, binaries: 60 * @mib, native: 1_536, total: 63 * @mib + 1_536}

  defp exceeded(category, more \\ []) do
    error = %ExceededError{limit: 64 * @mib, category: category, usage: @usage, label: "import"}
    error |> struct!(more) |> Exception.message()
  end

  describe "Quota.ExceededError" do
    test "by the heap" do
      assert exceeded(:heap) ==
               ~s(the work "import" needed more than its limit of 64 MiB for its heap. ) <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Process the data in pieces (a stream) instead of collecting it, or raise the limit"
    end

    test "by a heap that is mostly mailbox says so" do
      mailbox =
        "Most of its heap is messages in its queue: receive faster, have the sender wait for an answer " <>
          "before it sends more, or set max_queue"

      head =
        ~s(the work "import" needed more than its limit of 64 MiB for its heap. ) <>
          "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB, with 98 messages in its queue. "

      assert exceeded(:heap, messages: 98, mailbox: 2 * @mib) == head <> mailbox
      # A few small messages are mentioned, but are not the cause.
      assert exceeded(:heap, messages: 98, mailbox: @mib) =~ head <> "Process the data"
      # Messages that the VM has moved to the heap are estimated from their number.
      assert exceeded(:heap, messages: 20_000) =~ mailbox
      assert exceeded(:heap, messages: 1) =~ ", with 1 message in its queue"
      refute exceeded(:heap, messages: 0) =~ "queue"
    end

    test "by binaries tells bodies from parts of them" do
      assert exceeded(:binaries, binaries: {3, 40, 60 * @mib}) =~
               "It held 40 references to 3 binaries of 20 MiB on average. Copy the bytes you need with BoundedBinary.slice/3"

      assert exceeded(:binaries, binaries: {60, 60, 60 * @mib}) =~
               "It referenced 60 binaries of 1 MiB on average. Process them one at a time"
    end

    test "by captures does not speak of what was in use" do
      assert exceeded(:captures) ==
               ~s(the work "import" needed more than its limit of 64 MiB for the copy of the terms it captures: ) <>
                 "nothing was started. Capture only terms that are used (a copy loses sharing, so a term that occurs " <>
                 "twice is copied twice), keep Logger metadata and the label (64 KiB) small, or load the data inside the work"
    end

    test "by children names the option" do
      assert exceeded(:children) ==
               ~s(the work "import" had more counted processes than its max_children allows. ) <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Start fewer at a time (Task.async_stream/3), or raise max_children"
    end

    test "by binaries says to slice" do
      assert exceeded(:binaries) ==
               ~s(the work "import" needed more than its limit of 64 MiB for the binaries it referenced. ) <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Copy the bytes you need with BoundedBinary.slice/3, so that their source binaries " <>
                 "can be freed, or raise the limit"
    end

    test "by native memory, with and without what was refused" do
      rest =
        ". In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
          "Release data that is no longer needed before allocating more, or raise the limit"

      assert exceeded(:native) ==
               ~s(the work "import" needed more than its limit of 64 MiB for native memory) <>
                 rest

      assert exceeded(:native, requested: 5 * @mib) ==
               ~s(the work "import" needed more than its limit of 64 MiB for native memory: ) <>
                 "5 MiB more were refused" <> rest

      assert exceeded(:native, requested: 5 * @mib, at_least: true) ==
               ~s(the work "import" needed more than its limit of 64 MiB for native memory: ) <>
                 "at least 5 MiB more were refused" <> rest
    end

    test "by ETS tables, which are then listed" do
      assert exceeded(:ets, usage: %{@usage | ets: 17}) ==
               ~s(the work "import" needed more than its limit of 64 MiB for its ETS tables. ) <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB, ets 17 bytes. " <>
                 "Delete rows that are no longer needed, or keep the table outside of the work"
    end

    test "by the queue names it" do
      assert exceeded(:queue) ==
               ~s(the work "import" had more messages in its queue than its max_queue allows. ) <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Receive faster, or have the sender wait for an answer before it sends more"
    end

    test "by the result" do
      assert exceeded(:result) ==
               ~s(the work "import" needed more than its limit of 64 MiB for the copy of its result for the caller. ) <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Return less, or write the result to its destination inside the work"
    end

    test "of unknown cause" do
      assert exceeded(:unknown) ==
               ~s(the work "import" needed more than its limit of 64 MiB and was killed; ) <>
                 "cause unknown: another tracer is attached to this process. " <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Find the tool that traces the processes of this node"
    end

    test "without a label, and with a place outside of the standard libraries" do
      stack = [
        {Enum, :map, 2, [file: ~c"lib/enum.ex", line: 1]},
        {:lists, :map, 2, [file: ~c"lists.erl", line: 2]},
        {My.Import, :rows, 1, [file: ~c"lib/my/import.ex", line: 42]},
        {My.Job, :run, 0, [file: ~c"lib/my/job.ex", line: 7]}
      ]

      assert exceeded(:heap, label: nil, stacktrace: stack) ==
               "the work needed more than its limit of 64 MiB for its heap, " <>
                 "last seen in lib/my/import.ex:42: My.Import.rows/1. " <>
                 "In use: heap 3 MiB, binaries 60 MiB, native 1.5 KiB. " <>
                 "Process the data in pieces (a stream) instead of collecting it, or raise the limit"

      assert exceeded(:heap, stacktrace: Enum.take(stack, 2)) == exceeded(:heap)
    end

    # As they come, with figures in the place of those that differ from run to run.
    test "by children: the sum is over, and it is their heap" do
      {:error, error} =
        Quota.try_run(
          8 * @mib,
          fn ->
            for _ <- 1..3, do: spawn(fn -> keep(Enum.to_list(1..200_000)) end)
            Process.sleep(:infinity)
          end,
          count: [:children],
          label: :parent
        )

      assert figures_out(error) ==
               "the work :parent needed more than its limit of 8 MiB for its heap. " <>
                 "In use: heap N, binaries N, native N. " <>
                 "Process the data in pieces (a stream) instead of collecting it, or raise the limit"
    end

    test "by a long label: it is cut" do
      label = {:a, String.duplicate("x", 1_000), Enum.to_list(1..100)}
      message = exceeded(:heap, label: label)
      assert byte_size(message) < 500
      assert message =~ ~s("xxx)
    end
  end

  test "Quota.TimeoutError" do
    assert Exception.message(%TimeoutError{timeout: 30, limit: @mib, label: :slow}) ==
             "the work :slow took longer than its timeout of 30 ms and was killed"
  end

  describe "Quota.PoolFullError" do
    @full %PoolFullError{
      pool: My.Pool,
      asked: 64 * @mib,
      charged: 96 * @mib,
      free: 10 * @mib,
      size: 512 * @mib,
      reason: :full,
      label: "import"
    }

    defp full(more), do: @full |> struct!(more) |> Exception.message()

    @asked ~s(the work "import" was not admitted to the pool My.Pool: its limit of 64 MiB reserves 96 MiB; ) <>
             "10 MiB of 512 MiB are free"
    @again "Nothing was started: try again later"

    test "says why it was refused" do
      for {reason, why} <- [
            full: "",
            queued: ", and earlier requests wait for them",
            queue_full: ", and the wait queue is full",
            timeout: ", and too few were released within the pool_timeout",
            paused: ", but this node is short of memory and the pool admits nothing for now"
          ] do
        assert full(reason: reason) == @asked <> why <> ". " <> @again
      end
    end

    test "names those who hold most" do
      holders = [{:report, 300 * @mib}, {nil, 202 * @mib}]

      assert full(holders: holders) ==
               @asked <>
                 ". Largest reservations: :report (300 MiB), runs without a label (202 MiB). " <>
                 @again
    end
  end

  describe "BoundedXml.ParseError" do
    defp parse_error(document, opts \\ []) do
      error =
        assert_raise ParseError, fn -> document |> BoundedXml.stream(opts) |> Stream.run() end

      Exception.message(error)
    end

    test "over a limit names the option" do
      trusted = ". If you trust the source, pass a larger "

      for {document, option, value, text} <- [
            {"<a><b><c/></b></a>", :max_depth, 2,
             "line 1, column 7 (byte 6): max_depth is 2, and the document has 3 or more"},
            {"<a>\n <b x='1' y='2'/></a>", :max_attributes, 1,
             "line 2, column 11 (byte 14): max_attributes is 1, and the document has 2 or more"},
            {"<abcde/>", :max_name_bytes, 4,
             "line 1, column 6 (byte 5): max_name_bytes is 4, and the document has 5 or more"},
            {"<a x='12345678'/>", :max_attribute_bytes, 4,
             "line 1, column 11 (byte 10): max_attribute_bytes is 4, and the document has 5 or more"}
          ] do
        assert parse_error(document, [{option, value}]) ==
                 "XML exceeds a limit at #{text}#{trusted}#{option}"
      end
    end

    test "of what is malformed, broken or unsupported says where and what" do
      assert parse_error("<a><b></a>") ==
               "malformed XML at line 1, column 7 (byte 6): </b> belongs here, not </a>"

      assert parse_error("<a>\xFF</a>") ==
               "wrongly encoded XML at line 1, column 4 (byte 3): byte 0xFF is not UTF-8 here"

      assert parse_error(~s(<?xml version="1.0" encoding="klingon"?><a/>)) ==
               "unsupported XML at line 1, column 31 (byte 30): " <>
                 ~s(the encoding "klingon" is not one that is read, BoundedXml.encodings/0 lists those)
    end
  end

  test "BoundedXml.ParserError" do
    assert Exception.message(%ParserError{reason: :busy}) ==
             "another process is feeding this parser: use one parser per process"

    assert Exception.message(%ParserError{reason: :closed}) ==
             "this parser is finished: start another document with BoundedXml.Parser.new/1"

    assert Exception.message(%ParserError{reason: :broken}) ==
             "an earlier call of this parser failed: start again with BoundedXml.Parser.new/1"
  end

  defp keep(kept), do: keep([Enum.to_list(1..1_000) | kept])

  defp figures_out(error) do
    message = Exception.message(%{error | stacktrace: nil})
    Regex.replace(~r/(heap|binaries|native) [\d.]+ \w+/, message, "\\1 N")
  end
end
