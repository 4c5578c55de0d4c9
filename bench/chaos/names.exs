defmodule Bench.Chaos.Names do
  # What the parts of the node know each other by.

  @doc "The pool of both nodes."
  def pool, do: Bench.Chaos.Pool

  @doc "The other node."
  def there, do: :persistent_term.get(__MODULE__)

  @doc "Loads all code: what is loaded later is no growth."
  def load_code do
    for app <- [:kernel, :stdlib, :elixir, :logger, :bounded],
        {:ok, modules} <- [:application.get_key(app, :modules)],
        module <- modules,
        do: Code.ensure_loaded(module)
  end

  def put_there(node), do: :persistent_term.put(__MODULE__, node)
end
