defmodule Bench.Chaos.Requests do
  # Requests whose right answers are known: each is answered once on a calm node, outside of any quota.

  @limit 4 * 1024 * 1024
  # Longer than any attack holds a request up.
  @patience_ms 120_000
  @items 150

  @works ~w(parse stream select fields namespaces push encode encode_stream escape slices split lines concat compact inflate
    to_term read_file heap binaries)a

  @doc "The kinds of `ask/2`: every work, in every setting that suits it."
  def kinds do
    for(work <- @works, setting <- [:alone, :pool, :children, :ets, :any], do: {work, setting}) ++
      for(work <- @works, setting <- [:nested, :put_limit, :observe], do: {work, setting})
  end

  @doc "The kinds that need another node to be there."
  def elsewhere, do: for(work <- @works, do: {work, :there})

  @doc "Makes what the works read. `directory` must be there on every node."
  def prepare(directory) do
    document = document()
    File.write!(Path.join(directory, "document.xml"), document)

    :persistent_term.put(__MODULE__, %{
      document: document,
      file: Path.join(directory, "document.xml"),
      events: document |> BoundedXml.stream() |> Enum.to_list(),
      tree: BoundedXml.parse!(document),
      gzip: :zlib.gzip(document),
      term: :erlang.term_to_binary(Enum.to_list(1..2_000), [:compressed]),
      big: :binary.copy("some bytes\n", 60_000)
    })

    :persistent_term.put({__MODULE__, :answers}, Map.new(@works, &{&1, answer(&1)}))
  end

  def right({work, _setting}), do: :persistent_term.get({__MODULE__, :answers})[work]

  @doc "Answers a request inside a quota."
  def ask({work, :alone}, _pool), do: Quota.run(@limit, fn -> answer(work) end)

  def ask({work, :pool}, pool), do: Quota.run(@limit, fn -> answer(work) end, waiting(pool))

  def ask({work, :any}, pool) do
    options = [node: :any, retry: :safe] ++ waiting(pool)
    Quota.run(@limit, {__MODULE__, :answer, [work]}, options)
  end

  def ask({work, :there}, pool) do
    options = [node: Bench.Chaos.Names.there()] ++ waiting(pool)
    Quota.run(@limit, {__MODULE__, :answer, [work]}, options)
  end

  def ask({work, :children}, _pool) do
    in_a_child = fn -> fn -> answer(work) end |> Task.async() |> Task.await(@patience_ms) end
    Quota.run(@limit, in_a_child, count: [:children], label: {:chaos, work})
  end

  def ask({work, :ets}, _pool) do
    in_a_table = fn ->
      table = :ets.new(:chaos_work, [])
      for n <- 1..500, do: :ets.insert(table, {n, "a row"})
      :ets.insert(table, {:answer, answer(work)})
      :ets.lookup_element(table, :answer, 2)
    end

    Quota.run(@limit, in_a_table, count: [:ets])
  end

  def ask({work, :nested}, pool) do
    inner = fn -> Quota.run(div(@limit, 2), fn -> answer(work) end) end
    Quota.run(@limit, inner, waiting(pool))
  end

  def ask({work, :observe}, _pool),
    do: Quota.run(@limit, fn -> answer(work) end, mode: :observe, soft_limit: div(@limit, 2))

  # The process that asks may be killed, and then nobody waits for this one: it ends by itself.
  def ask({work, :put_limit}, _pool) do
    {pid, ref} =
      spawn_monitor(fn ->
        Quota.put_limit(@limit)
        exit({:answer, answer(work)})
      end)

    receive do
      {:DOWN, ^ref, _, ^pid, {:answer, answer}} -> answer
      {:DOWN, ^ref, _, ^pid, {:system_limit, _}} -> raise SystemLimitError
      {:DOWN, ^ref, _, ^pid, {%SystemLimitError{} = error, _}} -> raise error
      {:DOWN, ^ref, _, ^pid, reason} -> exit(reason)
    end
  end

  defp waiting(pool), do: [pool: pool, pool_timeout: @patience_ms]

  @doc "A digest of what the work makes."
  def answer(work) do
    inputs = :persistent_term.get(__MODULE__)
    work |> make(inputs) |> :erlang.phash2(4_294_967_296)
  end

  defp make(:parse, inputs), do: BoundedXml.parse!({:file, inputs.file})
  defp make(:stream, inputs), do: inputs.document |> BoundedXml.stream() |> Enum.count()

  defp make(:select, inputs),
    do: inputs.document |> BoundedXml.select("r/item[@kind='b']") |> Enum.to_list()

  defp make(:fields, inputs) do
    fields = [id: "@id", title: "title", tags: {:all, "tag"}]
    inputs.document |> BoundedXml.select("r/item", fields: fields) |> Enum.to_list()
  end

  defp make(:namespaces, inputs),
    do: inputs.document |> BoundedXml.stream(namespaces: true, text: :joined) |> Enum.count()

  defp make(:push, inputs) do
    {:ok, parser} = BoundedXml.Parser.new()

    fed =
      for <<part::binary-size(500) <- inputs.document>> do
        {:ok, events} = BoundedXml.Parser.feed(parser, part)
        events
      end

    rest = rem(byte_size(inputs.document), 500)
    last = binary_part(inputs.document, byte_size(inputs.document), -rest)
    {:ok, events} = BoundedXml.Parser.feed(parser, last)
    {:ok, end_events} = BoundedXml.Parser.finish(parser)
    length(List.flatten([fed, events, end_events]))
  end

  defp make(:encode, inputs), do: BoundedXml.encode(inputs.tree)

  defp make(:encode_stream, inputs),
    do: inputs.events |> BoundedXml.encode_stream() |> Enum.into([]) |> IO.iodata_to_binary()

  defp make(:escape, inputs), do: BoundedXml.escape(inputs.document)

  defp make(:slices, inputs),
    do: BoundedBinary.slices(inputs.big, for(n <- 1..100, do: {n, 1_000}))

  defp make(:split, inputs),
    do: inputs.document |> BoundedBinary.split("<item") |> Enum.to_list()

  defp make(:lines, inputs), do: [inputs.big] |> BoundedBinary.lines() |> Enum.count()

  defp make(:concat, inputs),
    do: byte_size(BoundedBinary.concat([inputs.document, ?x | inputs.gzip]))

  defp make(:compact, inputs),
    do: BoundedBinary.compact({binary_part(inputs.big, 5, 300), %{a: inputs.document}})

  defp make(:inflate, inputs), do: BoundedBinary.inflate(inputs.gzip)
  defp make(:to_term, inputs), do: BoundedBinary.to_term(inputs.term)
  defp make(:read_file, inputs), do: BoundedBinary.read_file(inputs.file)
  defp make(:heap, _inputs), do: 1..10_000 |> Enum.map(&(&1 * 3)) |> Enum.sort(:desc)

  defp make(:binaries, _inputs),
    do: for(n <- 1..100, do: :binary.copy(<<n>>, 5_000)) |> Enum.map(&byte_size/1) |> Enum.sum()

  defp document do
    items =
      for n <- 1..@items do
        "<item id='#{n}' kind='#{Enum.at(~w(a b c), rem(n, 3))}'><title>Item &amp; #{n}</title>" <>
          "<tag>x#{n}</tag><tag>y</tag><d:v>text <![CDATA[<#{n}>]]></d:v></item>\n"
      end

    IO.iodata_to_binary(["<r xmlns:d='urn:d'>", items, "</r>"])
  end
end
