# Ruby's Fiber as a generator: the elements of a flat sequence, and of a tree in order, added up.

Node = Struct.new(:left, :value, :right)

def perfect(from, to)
  return nil if from > to
  middle = (from + to) / 2
  Node.new(perfect(from, middle - 1), middle, perfect(middle + 1, to))
end

def walk(node)
  return unless node
  walk(node.left)
  Fiber.yield(node.value)
  walk(node.right)
end

def sum(fiber)
  sum = 0
  while (value = fiber.resume)
    sum += value
  end
  sum
end

def sum_flat(size)
  sum(Fiber.new { 1.upto(size) { |i| Fiber.yield(i) }; nil })
end

def sum_tree(root)
  sum(Fiber.new { walk(root); nil })
end
